// A client as its users would write one: types made from the contract by openapi-typescript, requests sent by
// openapi-fetch. tsc must accept this file, and every answer must be what its type says. Prints a line of JSON for each
// point. Started by contract-client.t with the address of the service, which registers nobody: that is done here.
import createClient, { type Middleware } from 'openapi-fetch';
import type { components, paths } from './schema.d.ts';

type Pet = components['schemas']['Pet'];
type Problem = components['schemas']['Problem'];

const [url, word] = process.argv.slice(2) as [string, string];
const point = (name: string, good: boolean, more?: unknown) => console.log(JSON.stringify({ name, good, more }));

let token: string | undefined;
const bearer: Middleware = {
    onRequest({ request }) {
        if (token)
            request.headers.set('authorization', `Bearer ${token}`);
    },
};
const client = createClient<paths>({ baseUrl: url });
client.use(bearer);

// What is thrown away is said so: an answer that is not there ends the test.
function must<T>(name: string, answer: { data?: T; error?: unknown; response: Response }): T {
    point(name, answer.data !== undefined, answer.error);
    if (answer.data === undefined)
        throw new Error(`${name}: ${JSON.stringify(answer.error)}`);
    return answer.data;
}

const email = 'typed@example.org';
const missing = await client.GET('/v1/me');
const problem: Problem | undefined = missing.error;
point('nobody is nobody', missing.response.status === 401 && problem?.code === 'token_missing', problem);

must('register', await client.POST('/v1/auth/register', { body: { email, password: word, display_name: 'Typed' } }));
const login = must('login', await client.POST('/v1/auth/login', { body: { email, password: word } }));
if (!('access_token' in login))
    throw new Error('there is no second factor, and yet it is asked for');
token = login.access_token;

// One of two by its members, as the contract says.
const kind: 'Bearer' = login.token_type;
point('the tokens are told from a challenge', kind === 'Bearer');

const made: Pet = must('create', await client.POST('/v1/pets', {
    params: { header: { 'Idempotency-Key': '"typed-1"' } },
    body: { name: 'Rex', species: 'dog', sex: 'male', tags: ['good'], weight_grams: 21500 },
}));
const again = must('create once more with the same key', await client.POST('/v1/pets', {
    params: { header: { 'Idempotency-Key': '"typed-1"' } },
    body: { name: 'Rex', species: 'dog', sex: 'male', tags: ['good'], weight_grams: 21500 },
}));
point('it is the same pet', again.id === made.id);
const weight: number | null = made.weight_grams;
point('as it was given', weight === 21500 && made.tags[0] === 'good' && made.breed === null);

for (const name of ['Bea', 'Cleo'])
    must(`create ${name}`, await client.POST('/v1/pets', { body: { name, species: 'cat' } }));

// All pages, by their cursors.
const names: string[] = [];
let cursor: string | undefined;
do {
    const page = must('a page', await client.GET('/v1/pets', { params: { query: { limit: 2, cursor } } }));
    names.push(...page.items.map((pet) => pet.name ?? 'nameless'));
    cursor = page.page.next ?? undefined;
} while (cursor);
point('all pets, newest first', names.join() === 'Cleo,Bea,Rex', names);

const path = { id: made.id };
const changed = must('change', await client.PATCH('/v1/pets/{id}', {
    params: { path, header: { 'If-Match': `"${made.version}"` } },
    headers: { 'content-type': 'application/merge-patch+json' },
    body: { notes: 'Barks.', tags: null },
}));
point('it is changed', changed.version === 2 && changed.notes === 'Barks.' && changed.tags.length === 0, changed);

const stale = await client.PUT('/v1/pets/{id}', {
    params: { path, header: { 'If-Match': `"${made.version}"` } },
    body: { name: 'Max', species: 'dog' },
});
point('who was late is told so', stale.response.status === 412 && stale.error?.code === 'precondition_failed', stale.error);

const invalid = await client.POST('/v1/pets', { body: { name: '', species: 'dog' } });
point('what is wrong is named', invalid.error?.errors?.[0]?.pointer === '/name' && invalid.error.errors[0].code === 'too_short', invalid.error);

const history = must('history', await client.GET('/v1/pets/{id}/history', { params: { path } }));
point('its versions', history.items.map((item) => item.action).join() === 'update,create' && history.items[0]?.new?.notes === 'Barks.', history);

const gone = await client.DELETE('/v1/pets/{id}', { params: { path } });
point('delete', gone.response.status === 204 && gone.error === undefined);
const none = await client.GET('/v1/pets/{id}', { params: { path } });
point('it is gone', none.error?.code === 'not_found', none.error);

const keys = must('keys', await client.GET('/.well-known/jwks.json'));
point('of a kind that is known', keys.keys.every((key) => key.alg === 'ES256'));

const out = await client.POST('/v1/auth/logout', { body: { scope: 'all' } });
point('logout', out.response.status === 204);
const ended = await client.GET('/v1/me');
point('the session has ended', ended.error?.code === 'session_ended', ended.error);
