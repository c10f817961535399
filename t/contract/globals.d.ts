// The little of Node that the client uses, so that its types need not be installed.
declare const process: { argv: string[] };
