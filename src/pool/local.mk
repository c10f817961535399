# src/pool
