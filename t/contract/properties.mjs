// Sends the running service requests made from the contract, good and bad ones, as everybody who may come: nobody, a
// user, an administrator, an API key. Started by contract-properties.t with a file that says where the service is and who
// they are; prints a line of JSON for each point.
//
// Good requests are not refused as malformed, and do what their sender may do; bad ones are refused for what is bad about
// them; and every answer is as documented (see contract.mjs). Values on a limit are tried one by one, the rest at random,
// from a seed: a failure names the seed and the smallest request that fast-check has found.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { Contract } from './contract.mjs';
import { Http, show } from './http.mjs';
import { CURSOR, good, limits, wrongTypes } from './generate.mjs';

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const contract = new Contract(config.contract);
const http = new Http(config.url, config.ca);
const { actors } = config;

const point = (name, complaints, more = {}) => console.log(JSON.stringify({ name, complaints, ...more }));

// --- requests -------------------------------------------------------------------------------------------

const query = (pairs) => pairs.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&');

// `parts`: id, query ([name, value] pairs), raw query (text), headers, body (a value), raw body (text or bytes), type.
function build(operation, actor, parts) {
    const target = operation.path.replace('{id}', encodeURIComponent(parts.id ?? ''));
    const text = [query(parts.query ?? []), parts.rawQuery].filter(Boolean).join('&');
    const headers = Object.fromEntries(Object.entries(parts.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
    if (actor.token)
        headers.authorization = `Bearer ${actor.token}`;
    const body = parts.rawBody ?? (parts.body === undefined ? undefined : JSON.stringify(parts.body));
    const type = parts.type === undefined ? operation.body?.type : parts.type;
    if (body !== undefined && type)
        headers['content-type'] = type;
    return { method: operation.method, target: text ? `${target}?${text}` : target, headers, body };
}

// What this sender gets for any request that is not malformed; undefined: it is served.
function refusal(operation, actor) {
    const { security } = operation;
    if (security.length === 0)
        return undefined;
    if (!actor.token)
        return [401, 'token_missing'];
    const allowed = security.find((one) => one[actor.scheme]);
    if (!allowed)
        return [403, 'insufficient_scope'];
    const missing = allowed[actor.scheme].filter((one) => !actor.has.includes(one));
    if (missing.length > 0)
        return [403, actor.scheme === 'apiKey' ? 'insufficient_scope' : 'forbidden'];
    return undefined;
}

const code = (answer) => answer.json?.code;
const errorCodes = (answer) => (answer.json?.errors ?? []).map((error) => error.code);

// --- what single operations need ------------------------------------------------------------------------

// Whose session, or which pet, one request may use up is made for it.
const prepare = {
    async deletePet(parts) {
        if (config.known.pets.includes(parts.id))
            parts.id = (await http.call('POST', '/v1/pets', { token: actors.user.token, body: { name: 'Gone', species: 'other' } })).id;
    },
    async logout(parts, actor) {
        if (actor !== actors.user)
            return actor;
        const body = config.leaver;
        return { ...actor, token: (await http.call('POST', '/v1/auth/login', { body })).access_token };
    },
};

// An administrator without a second factor would be none any more; one who has logged out would be nobody.
const spared = { removeSecondFactor: ['admin'], logout: ['admin'] };

// Violations that only the service can know of.
const SEMANTIC = ['wrong', 'common_password', 'breached_password', 'contains_identity'];
const semantic = {
    stepUp: ['required', 'not_allowed'],          // which proof is wanted depends on the second factor
    changePassword: ['too_short'],                // so does how short a password may be
    createPets: ['duplicate'],                    // two of the same microchip
};

// Statuses of requests that are served, beside 2xx.
function served(operation, parts, answer) {
    switch (answer.status) {
    case 304: case 409: case 410: case 412:
        return true;
    case 400:
        return code(answer) === 'invalid_cursor' && parts.query?.some(([name]) => name === 'cursor');
    case 401:
        return operation.security.length === 0;
    case 403:
        return code(answer) === 'forbidden' && parts.query?.some(([name]) => name === 'owner_id');
    case 404:
        return operation.path.includes('{id}') || ['verifyEmail', 'requestPasswordReset', 'confirmSecondFactor', 'removeSecondFactor', 'renewRecoveryCodes'].includes(operation.id);
    case 422:
        return code(answer) === 'idempotency_key_reused'
            || errorCodes(answer).every((one) => SEMANTIC.includes(one) || semantic[operation.id]?.includes(one));
    case 429:
        return code(answer) === 'rate_limited' && ['stepUp', 'confirmSecondFactor'].includes(operation.id);
    default:
        return answer.status >= 200 && answer.status < 300;
    }
}

// What is looked at last: whether a password is a good one, once it is known whose it is to be.
const late = { confirmPasswordReset: { place: '/password', code: 'link_invalid' } };

let last;    // the last request that was not answered as it should be, and what was wrong

async function attempt(operation, actor, parts, expect) {
    const own = { ...parts };
    const sender = await prepare[operation.id]?.(own, actor) ?? actor;
    const request = build(operation, sender, own);
    const answer = await http.send(request);
    const complaints = contract.judge(operation, operation.method, answer);
    complaints.push(...expect(answer, own));
    if (complaints.length > 0) {
        last = { request: show(request), answer: `${answer.status} ${answer.body.toString().slice(0, 800)}`, complaints };
        throw new Error(complaints.join('\n'));
    }
}

const expectGood = (operation, actor) => (answer, parts) => {
    const refused = refusal(operation, actor);
    // The database knows roles and scopes; whether a cursor is one, and whether two pets have one chip, is seen before it
    // is asked.
    if (refused && (code(answer) === 'invalid_cursor' || (operation.id === 'createPets' && errorCodes(answer).includes('duplicate'))))
        return served(operation, parts, answer) ? [] : ['there is no cursor'];
    if (refused)
        return answer.status === refused[0] && code(answer) === refused[1] ? [] : [`a good request of somebody who may not: expected ${refused.join(' ')}`];
    return served(operation, parts, answer) ? [] : ['a good request is refused'];
};

// Who may not even knock gets no further; whatever else is wrong is told to everybody.
const expectBad = (operation, actor, bad) => (answer) => {
    if (late[operation.id]?.place === bad.place && late[operation.id]?.code === code(answer))
        return [];
    const refused = refusal(operation, actor);
    const early = refused && !bad.always && (refused[0] === 401 || !operation.security.some((one) => one[actor.scheme]));
    const [status, wanted] = early ? refused : [bad.status, bad.code];
    if (answer.status !== status || (wanted && code(answer) !== wanted))
        return [`${bad.what}: expected ${status} ${wanted ?? ''}`];
    if (early || !bad.place)
        return [];
    const places = answer.json.errors.map((error) => error.pointer ?? error.parameter);
    return places.some((place) => place === bad.place || place?.startsWith(`${bad.place}/`)) ? [] : [`${bad.what}: the errors name ${places}, not ${bad.place}`];
};

// --- good requests --------------------------------------------------------------------------------------

function knownFor(operation) {
    const ids = operation.path.startsWith('/v1/users/') ? config.known.victims
        : operation.path.startsWith('/v1/transfers/') ? config.known.transfers : config.known.pets;
    return { ...config.known, ids: [...ids, config.known.nothing] };
}

function goodParts(operation) {
    const known = knownFor(operation);
    const of = (place) => Object.fromEntries(operation.parameters.filter((one) => one.in === place)
        .map((one) => [one.name, good(contract, one.schema, known)]));
    const parts = {
        query: fc.record(of('query'), { requiredKeys: [] }).map(Object.entries),
        headers: fc.record(of('header'), { requiredKeys: [] }),
    };
    if (operation.path.includes('{id}'))
        parts.id = fc.constantFrom(...known.ids);
    if (operation.body)
        parts.body = operation.body.required ? good(contract, operation.body.schema, known) : fc.option(good(contract, operation.body.schema, known), { nil: undefined });
    return fc.record(parts);
}

// The smallest good request: what is required, and no more.
function leastParts(operation) {
    const [parts] = fc.sample(goodParts(operation), { numRuns: 1, seed: 1 });
    return { ...parts, query: [], headers: {}, body: operation.body && leastBody(operation, parts.body) };
}

// The operation as if its body was one item of the list that it is.
const ofItem = (operation, flat) => ({ ...operation, body: { ...operation.body, schema: flat.items } });

function leastBody(operation, body = {}, with_ = undefined) {
    const flat = contract.flat(operation.body.schema);
    if (flat.type === 'array')
        return [leastBody(ofItem(operation, flat), body[0], with_)];
    const choices = (flat.oneOf ?? []).map((branch) => branch.required[0]);
    const [any] = fc.sample(good(contract, operation.body.schema, knownFor(operation)), { numRuns: 1, seed: 7 });
    const chosen = choices.includes(with_) ? [] : choices.filter((name) => name in any);
    const names = [...flat.required ?? [], ...chosen];
    return Object.fromEntries(names.map((name) => [name, any[name] ?? body[name]]));
}

// --- bad requests ---------------------------------------------------------------------------------------

// With blanks behind it, so many bytes.
const fill = (text, size) => text + ' '.repeat(size - Buffer.byteLength(text));
const bytes = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));

// Everything bad that can be made of a good request, as [what, parts, expected status, code, place of the error].
function* badOnes(operation, parts) {
    yield* badQueries(operation, parts);
    if (operation.responses[406]) {
        for (const accept of ['text/html', 'application/json;q=0', 'image/png, text/*'])
            yield { what: `Accept: ${accept}`, parts: { ...parts, headers: { ...parts.headers, accept } }, status: 406, code: 'not_acceptable' };
    }
    if (operation.path.includes('{id}')) {
        for (const id of ['x', '1', `${config.known.nothing}0`, config.known.nothing.slice(1), '00000000000000000000000000000000'])
            yield { what: `the id ${id}`, parts: { ...parts, id }, status: 404, code: 'not_found', always: true };
    }
    if (operation.parameters.some((one) => one.name === 'Idempotency-Key')) {
        for (const key of ['abc', '""', '"a', 'a"', '"a"b"', `"${'k'.repeat(256)}"`, '"\\a"', "'a'", '"a";p=1 2'])
            yield { what: `Idempotency-Key: ${key}`, parts: { ...parts, headers: { ...parts.headers, 'idempotency-key': key } }, status: 400, code: 'invalid_idempotency_key' };
    }
    if (operation.body)
        yield* badBodies(operation, parts);
}

function* badQueries(operation, parts) {
    const bad = (what, rawQuery, place) => ({ what, parts: { ...parts, query: [], rawQuery }, status: 400, code: 'invalid_parameter', place });
    yield bad('an unknown parameter', 'unknown=1', 'unknown');
    yield bad('a parameter of no UTF-8', 'x=%ff');
    yield bad('a broken escape', 'x=%4');
    for (const parameter of operation.parameters.filter((one) => one.in === 'query')) {
        const { name } = parameter;
        const fine = limits(contract, parameter.schema).find(([, , isGood]) => isGood)?.[1] ?? config.known.nothing;
        yield bad(`${name} twice`, `${query([[name, fine]])}&${query([[name, fine]])}`, name);
        if (contract.flat(parameter.schema).type === 'integer') {
            for (const text of ['', 'x', '1.5', '-1', '+1', ' 1', '1x', '0x10', '99999999999999999999'])
                yield bad(`${name}=${text}`, query([[name, text]]), name);
        }
        for (const [what, value, isGood] of limits(contract, parameter.schema)) {
            if (!isGood && value !== null && !(CURSOR.test(contract.flat(parameter.schema).pattern ?? '') && what !== 'one character more' && value !== ''))
                yield bad(`${name}: ${what}`, query([[name, value]]), name);
        }
    }
}

// A list: what is bad for one item, as the second of two; and what is no list of so many.
function* badLists(operation, flat, parts) {
    const item = parts.body[0];
    const invalid = (what, body) => ({ what, parts: { ...parts, body }, status: 422, code: 'validation_failed' });
    for (const bad of badBodies(ofItem(operation, flat), { ...parts, body: item })) {
        if (bad.parts.type !== undefined)
            yield { ...bad, parts: { ...bad.parts, body: parts.body } };
        else if (bad.parts.rawBody !== undefined)
            yield bad;
        else if (bad.code)
            yield { ...bad, parts: { ...bad.parts, body: [item, bad.parts.body] }, place: `/1${bad.place ?? ''}` };
    }
    for (const value of ['x', 1, true, null, [1]])
        yield { ...invalid(`an item that is ${JSON.stringify(value)}`, [item, value]), place: '/1' };
    yield invalid('no items', []);
    yield invalid('one item more', Array(flat.maxItems + 1).fill(item));
    yield invalid('an object', item);
}

function* badBodies(operation, parts) {
    const flat = contract.flat(operation.body.schema);
    if (flat.type === 'array') {
        yield* badLists(operation, flat, parts);
        return;
    }
    const invalid = (what, body, place) => ({ what, parts: { ...parts, body }, status: 422, code: 'validation_failed', place });
    const broken = (what, rawBody) => ({ what, parts: { ...parts, rawBody }, status: 400, code: 'invalid_json' });
    const least = parts.body ?? {};
    const text = JSON.stringify(least);
    for (const [name, schema] of Object.entries(flat.properties)) {
        const rest = { ...least };
        delete rest[name];
        for (const one of (flat.oneOf ?? []).flatMap((branch) => branch.required))
            if (one !== name && (flat.oneOf ?? []).some((branch) => branch.required.includes(name)))
                delete rest[one];
        for (const [what, value] of wrongTypes(contract, schema))
            yield invalid(`${name}: ${what}`, { ...rest, [name]: value }, `/${name}`);
        for (const [what, value, isGood] of limits(contract, schema)) {
            if (!isGood)
                yield invalid(`${name}: ${what}`, { ...rest, [name]: value }, `/${name}`);
        }
        if (flat.required?.includes(name))
            yield invalid(`no ${name}`, rest, `/${name}`);
    }
    for (const choice of flat.oneOf ?? []) {
        const both = Object.fromEntries(flat.oneOf.flatMap((branch) => branch.required).map((name) => [name, 'x']));
        yield invalid('all of the alternatives', { ...least, ...both });
        const none = Object.fromEntries(Object.entries(least).filter(([name]) => !(name in both)));
        yield invalid(`no ${choice.required[0]}`, none);
    }
    for (const name of ['unknown', '', 'constructor', 'a/b~c', 'ä'.repeat(100)])
        yield invalid(`the unknown member ${JSON.stringify(name.slice(0, 9))}`, { ...least, [name]: 1 });
    for (const value of [[], 'x', 1, true, null, [least]])
        yield { ...invalid(`a body that is ${JSON.stringify(value)}`, value), code: undefined, status: Array.isArray(value) ? 422 : [400, 422] };
    if (operation.body.required)
        yield broken('an empty body', '');
    for (const [what, raw] of [['half a body', text.slice(0, -1)], ['a body and more', `${text}{}`], ['a byte order mark', `\ufeff${text}`],
        ['a member twice', '{"a":1,"a":2}'], ['no UTF-8', bytes('{"', [0xff], '":1}')], ['an overlong form', bytes('{"', [0xc0, 0x80], '":1}')],
        ['half a surrogate pair', '{"a":"\\ud800"}'], ['a control character', '{"a":"\n"}'], ['a number too large', '{"a":1e999}'],
        ['an integer too large', '{"a":99999999999999999999}'], ['NaN', '{"a":NaN}'], ['a comment', `${text}/**/`], ['single quotes', "{'a':1}"],
        ['a trailing comma', '{"a":1,}'], ['a NUL', `${text}\0`], ['a NUL in a name', '{"a\\u0000":1}'], ['far too deep', `{"a":${'['.repeat(5000)}${']'.repeat(5000)}}`]])
        yield broken(what, raw);
    for (const type of ['', 'text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', `${operation.body.type};charset=latin1`,
        operation.body.type === 'application/json' ? 'application/merge-patch+json' : 'application/json'])
        yield { what: `Content-Type: ${type}`, parts: { ...parts, body: least, type }, status: 415, code: 'unsupported_media_type' };
    yield { what: 'a byte more than the largest body', parts: { ...parts, rawBody: fill(text, config.maxBody + 1) }, status: 413, code: 'payload_too_large', always: true };
}

// --- one by one: limits ---------------------------------------------------------------------------------

// Whoever may do most, so that a refusal is about the request.
function strongest(operation) {
    const names = ['admin', 'user', 'writer', 'reader', 'nobody'].filter((name) => !spared[operation.id]?.includes(name));
    return actors[names.find((name) => !refusal(operation, actors[name]))];
}

async function collect(todo) {
    const failed = [];
    let tried = 0;
    for (const one of todo) {
        tried++;
        try {
            await one();
        } catch (error) {
            if (!last)
                throw error;
            failed.push(last);
            last = undefined;
        }
    }
    return [tried, failed];
}

async function tryLimits(operation) {
    const actor = strongest(operation);
    const parts = leastParts(operation);
    const todo = [];
    const fine = (what, more) => todo.push(() => attempt(operation, actor, more, (answer, own) =>
        expectGood(operation, actor)(answer, own).map((text) => `${what}: ${text}`)));
    for (const parameter of operation.parameters.filter((one) => one.in === 'query')) {
        for (const [what, value, isGood] of limits(contract, parameter.schema)) {
            if (isGood && value !== null)
                fine(`${parameter.name}: ${what}`, { ...parts, query: [[parameter.name, value]] });
        }
    }
    if (operation.parameters.some((one) => one.name === 'Idempotency-Key')) {
        for (const key of [`"${config.seed} ${'k'.repeat(254 - `${config.seed}`.length)}"`, `"\\"\\\\ ${config.seed}"`])
            fine(`Idempotency-Key: ${key}`, { ...parts, headers: { 'idempotency-key': key } });
    }
    if (operation.body) {
        const whole = contract.flat(operation.body.schema);
        const list = whole.type === 'array';
        const [inner, flat] = list ? [ofItem(operation, whole), contract.flat(whole.items)] : [operation, whole];
        const [least, wrap] = list ? [parts.body[0], (item) => [item]] : [parts.body, (item) => item];
        for (const [name, schema] of Object.entries(flat.properties)) {
            for (const [what, value, isGood] of limits(contract, schema)) {
                if (isGood)
                    fine(`${name}: ${what}`, { ...parts, body: wrap({ ...leastBody(inner, least, name), [name]: value }) });
            }
            if (flat.properties[name] && contract.flat(schema).type === 'integer')
                fine(`${name}: a whole number written with a point`, { ...parts, rawBody: JSON.stringify(wrap({ ...least, [name]: 1 })).replace(`"${name}":1`, `"${name}":1.0`) });
        }
        if (list)
            fine('as many items as fit', { ...parts, body: Array(whole.maxItems).fill(least) });
        fine('the largest body', { ...parts, rawBody: fill(JSON.stringify(parts.body ?? {}), config.maxBody) });
    }
    for (const bad of badOnes(operation, parts))
        todo.push(() => attempt(operation, actor, bad.parts, anyOf(operation, actor, bad)));
    return collect(todo);
}

// Some bad requests may be refused in one of two ways.
function anyOf(operation, actor, bad) {
    const ways = [bad.status].flat().map((status) => expectBad(operation, actor, { ...bad, status }));
    return (answer) => {
        const complaints = ways.map((way) => way(answer));
        return complaints.find((one) => one.length === 0) ?? complaints[0];
    };
}

// --- at random ------------------------------------------------------------------------------------------

async function property(name, arbitrary, check) {
    last = undefined;
    const result = await fc.check(fc.asyncProperty(arbitrary, check), {
        seed: config.seed, numRuns: config.runs, interruptAfterTimeLimit: config.limitMs, markInterruptAsFailure: false,
    });
    if (result.failed && !last)
        last = { request: fc.stringify(result.counterexample), answer: '', complaints: [String(result.errorInstance?.stack ?? result.errorInstance)] };
    point(name, result.failed ? last.complaints : [], result.failed ? { seed: config.seed, path: result.counterexamplePath, request: last.request, answer: last.answer } : { runs: result.numRuns });
}

async function tryGood(operation) {
    const names = Object.keys(actors).filter((name) => !spared[operation.id]?.includes(name));
    await property(`${operation.name}: good requests`, fc.tuple(fc.constantFrom(...names), goodParts(operation)),
        ([name, parts]) => attempt(operation, actors[name], parts, expectGood(operation, actors[name])));
}

async function tryBad(operation) {
    const names = Object.keys(actors).filter((name) => !spared[operation.id]?.includes(name));
    await property(`${operation.name}: bad requests`, fc.tuple(fc.constantFrom(...names), goodParts(operation), fc.nat()),
        ([name, parts, which]) => {
            const all = [...badOnes(operation, parts)];
            const bad = all[which % all.length];
            return attempt(operation, actors[name], bad.parts, anyOf(operation, actors[name], bad));
        });
}

// --- methods and addresses ------------------------------------------------------------------------------

async function tryMethods(path, operations) {
    const here = operations.filter((one) => one.path === path);
    const methods = here.map((one) => one.method);
    const target = path.replace('{id}', path.startsWith('/v1/users') ? config.known.victims[0] : config.known.pets[0]);
    const allowed = [...methods, ...methods.includes('GET') ? ['HEAD'] : [], 'OPTIONS'].sort();
    const complaints = [];
    const compare = (method, answer) => {
        const allow = (answer.headers.allow ?? '').split(', ').sort();
        if (allow.join() !== allowed.join())
            complaints.push(`${method}: Allow is ${answer.headers.allow}`);
    };
    const options = await http.send({ method: 'OPTIONS', target });
    compare('OPTIONS', options);
    if (options.status !== 204)
        complaints.push(`OPTIONS: ${options.status}`);
    for (const method of ['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE'].filter((one) => !allowed.includes(one))) {
        const answer = await http.send({ method, target, headers: { authorization: `Bearer ${actors.admin.token}` } });
        complaints.push(...contract.judge(undefined, method, answer).map((text) => `${method}: ${text}`));
        if (answer.status !== 405)
            complaints.push(`${method}: ${answer.status}, not 405`);
        compare(method, answer);
    }
    const unknown = await http.send({ method: 'BREW', target });
    complaints.push(...contract.judge(undefined, 'BREW', unknown).map((text) => `BREW: ${text}`));
    if (unknown.status !== 501 && unknown.status !== 405)
        complaints.push(`BREW: ${unknown.status}`);
    for (const operation of here.filter((one) => one.method === 'GET'))
        complaints.push(...await tryHead(operation, target));
    point(`${path}: methods`, complaints);
}

async function tryHead(operation, target) {
    const headers = { authorization: `Bearer ${strongest(operation).token}` };
    const [get, head] = [await http.send({ method: 'GET', target, headers }), await http.send({ method: 'HEAD', target, headers })];
    const complaints = contract.judge(operation, 'HEAD', head).map((text) => `HEAD: ${text}`);
    const compared = (answer) => JSON.stringify([answer.status, Object.entries(answer.headers).filter(([name]) => !['date', 'x-request-id', 'connection', 'keep-alive'].includes(name)).sort()]);
    if (get.status < 400 && compared(get) !== compared(head))
        complaints.push(`HEAD is answered otherwise than GET: ${compared(head)} ${compared(get)}`);
    return complaints;
}

async function tryAddresses() {
    const complaints = [];
    for (const target of ['/', '/v1', '/v1/', '/v1/nothing', '/v1/pets/', '/v1/me/', '/v1/auth', '/v1/auth/', '/v1/users/', '/v2/pets', '/live', '/metrics', '/v1/pets//history', '/%2e%2e/x', '/v1/p%65ts']) {
        const answer = await http.send({ method: 'GET', target, headers: { authorization: `Bearer ${actors.admin.token}` } });
        const response = { ...contract.operations.find((one) => one.id === 'getPet'), name: target };
        complaints.push(...contract.judge(response, 'GET', answer).map((text) => `${target}: ${text}`));
        if (answer.status !== 404)
            complaints.push(`${target}: ${answer.status}, not 404`);
    }
    point('addresses of nothing', complaints);
}

// --- all of it ------------------------------------------------------------------------------------------

async function main() {
    for (const operation of contract.operations) {
        const [tried, failed] = await tryLimits(operation);
        point(`${operation.name}: limits`, failed.flatMap((one) => one.complaints).slice(0, 20), { runs: tried, request: failed[0]?.request, answer: failed[0]?.answer });
        await tryGood(operation);
        await tryBad(operation);
    }
    for (const path of new Set(contract.operations.map((one) => one.path)))
        await tryMethods(path, contract.operations);
    await tryAddresses();
    console.log(JSON.stringify({ done: http.sent }));
    await http.close();
}

await main();
