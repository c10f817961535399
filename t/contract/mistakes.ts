// What tsc must refuse: each of these is a mistake that the contract rules out. contract-client.t counts the lines that are
// marked, and wants one complaint for each and no other.
import createClient from 'openapi-fetch';
import type { paths } from './schema.d.ts';

const client = createClient<paths>({ baseUrl: 'https://localhost' });

await client.GET('/v1/pet'); // mistake
await client.POST('/v1/me'); // mistake
await client.GET('/v1/pets', { params: { query: { species: 'dragon' } } }); // mistake
await client.GET('/v1/pets', { params: { query: { limit: 'all' } } }); // mistake
await client.POST('/v1/auth/login', { body: { email: 'a@example.org' } }); // mistake
await client.GET('/v1/pets/{id}', { params: { path: {} } }); // mistake
const answer = await client.GET('/v1/me');
answer.data?.password; // mistake
const version: string | undefined = answer.data?.version; // mistake
if (answer.error?.code === 'no_such_code') // mistake
    console.log(version);
