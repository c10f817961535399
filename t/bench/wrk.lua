-- The load of one thread of wrk: many people, each with a token of his own, and many pets. All ids are known by
-- their number (see pets.sql), so the script needs nothing but the tokens.
--
--   wrk ... -s wrk.lua URL -- read|list|create|mix TOKENS PETS [SEED]
--
-- `mix` is nine reads to one create. The last line says what was measured, for lib/Bench/Load.pm.

local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

local tokens, pets, workload = {}, 0, nil

local body = '{"name":"Rex the Younger","species":"dog","breed":"Beagle","sex":"male","born_on":"2021-05-04",'
  .. '"weight_grams":11500,"notes":"Likes long walks and short naps; afraid of thunder.","tags":["house","garden"]}'
local create_head = "POST /v1/pets HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
  .. "Content-Type: application/json\r\nContent-Length: " .. #body .. "\r\n"

local function pet_path(number)
  local digits = tostring(10000000 + number)
  return "019a" .. digits:sub(1, 4) .. "-" .. digits:sub(5, 8) .. "-7000-8000-000000000000"
end

local function authorization(number)
  return "Authorization: Bearer " .. tokens[number % #tokens + 1] .. "\r\n"
end

local make = {}

function make.read(number)
  return "GET /v1/pets/" .. pet_path(number) .. " HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
    .. authorization(number) .. "\r\n"
end

function make.list(number)
  return "GET /v1/pets HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
    .. authorization(number) .. "\r\n"
end

function make.create(number)
  return create_head .. authorization(number) .. "\r\n" .. body
end

function make.mix(number)
  return math.random(10) == 1 and make.create(number) or make.read(number)
end

function init(arguments)
  workload = make[arguments[1]]
  for line in io.lines(arguments[2]) do
    tokens[#tokens + 1] = line
  end
  pets = tonumber(arguments[3])
  math.randomseed((tonumber(arguments[4]) or 0) * 1000 + number)
end

function request()
  return workload(math.random(pets) - 1)
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format("result requests=%d microseconds=%d refused=%d broken=%d p50=%d p99=%d", summary.requests,
    summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
