// Sends requests as they are given, however wrong they are, and shows them to people.
import { readFileSync } from 'node:fs';
import { Agent, request } from 'undici';

export class Http {
    constructor(url, ca) {
        this.url = url;
        this.agent = new Agent({ connect: { ca: readFileSync(ca, 'utf8') }, connections: 2, bodyTimeout: 60000, headersTimeout: 60000 });
        this.sent = 0;
    }

    // { method, target, headers, body } in, { status, headers, body } out: header names in lower case, the body in bytes.
    async send({ method, target, headers = {}, body }) {
        this.sent++;
        const answer = await request(this.url + target, { method, headers, body, dispatcher: this.agent });
        return { status: answer.statusCode, headers: answer.headers, body: Buffer.from(await answer.body.arrayBuffer()) };
    }

    // The same for JSON that is good: the body of the answer, which must have one of these statuses.
    async call(method, target, { token, body, type = 'application/json', expect = [200, 201, 202, 204] } = {}) {
        const headers = { ...token && { authorization: `Bearer ${token}` }, ...body && { 'content-type': type } };
        const answer = await this.send({ method, target, headers, body: body && JSON.stringify(body) });
        const text = answer.body.toString();
        if (!expect.includes(answer.status))
            throw new Error(`${method} ${target}: ${answer.status} ${text}`);
        return text && JSON.parse(text);
    }

    close() {
        return this.agent.close();
    }
}

// A request for people; tokens are cut short.
export function show({ method, target, headers, body }) {
    const lines = Object.entries(headers ?? {}).map(([name, value]) =>
        `${name}: ${String(value).replace(/^(Bearer \S{12})\S+/, '$1...')}`);
    const text = body === undefined ? '' : body.length > 2000 ? `${body.toString().slice(0, 2000)}... (${body.length} bytes)` : body.toString();
    return [`${method} ${target}`, ...lines, '', text].join('\n');
}
