// The contract as the tests in this folder see it: its operations, validators of what is sent and answered, and the
// judgement of an answer. Whatever is documented must be so, and nothing may be that is not documented: the schemas of
// answers are closed here, though clients are told that answers may get more members.
import { readFileSync } from 'node:fs';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

const METHODS = ['get', 'put', 'post', 'patch', 'delete'];

// What nginx puts on every answer, and what HTTP needs; everything else must be documented.
const EVERYWHERE = new Set(['date', 'server', 'connection', 'keep-alive', 'content-type', 'content-length', 'vary',
    'strict-transport-security', 'x-content-type-options', 'content-security-policy', 'referrer-policy']);

export class Contract {
    constructor(file) {
        this.document = JSON.parse(readFileSync(file, 'utf8'));
        this.ajv = new Ajv2020({ allErrors: true, strict: true, strictTypes: false, strictRequired: false });
        addFormats.default(this.ajv);
        for (const keyword of ['x-past', 'x-max-bytes', 'components'])
            this.ajv.addKeyword(keyword);
        this.validators = new Map();
        this.operations = this.#operations();
        this.closed = structuredClone(this.document);
        for (const schema of Object.values(this.closed.components.schemas))
            closeInside(schema);
        this.ajv.addSchema({ $id: 'open', components: this.document.components });
        this.ajv.addSchema({ $id: 'closed', components: this.closed.components });
    }

    follow(thing) {
        while (thing && thing.$ref)
            thing = thing.$ref.slice(2).split('/').reduce((at, name) => at[name], this.document);
        return thing;
    }

    // A schema as one object: references and allOf put together, "or null" told as nullable.
    flat(schema) {
        let { allOf = [], ...flat } = this.follow(schema);
        for (const branch of allOf.toReversed()) {
            const more = this.flat(branch);
            flat = { ...more, ...flat,
                ...(more.properties || flat.properties ? { properties: { ...more.properties, ...flat.properties } } : {}),
                ...(more.required || flat.required ? { required: [...more.required ?? [], ...flat.required ?? []] } : {}) };
        }
        const values = flat.oneOf?.filter((branch) => this.follow(branch).type !== 'null');
        if (values?.length === 1) {
            const { oneOf, ...rest } = flat;
            flat = { ...this.flat(values[0]), ...rest, nullable: true };
        }
        if (Array.isArray(flat.type))
            flat = { ...flat, type: flat.type.find((type) => type !== 'null'), nullable: flat.type.includes('null') };
        return flat;
    }

    #operations() {
        const found = [];
        for (const [path, item] of Object.entries(this.document.paths)) {
            for (const method of METHODS.filter((name) => item[name])) {
                const op = item[method];
                const [type, body] = Object.entries(op.requestBody?.content ?? {})[0] ?? [];
                found.push({
                    id: op.operationId,
                    name: `${method.toUpperCase()} ${path}`,
                    method: method.toUpperCase(),
                    path,
                    parameters: [...item.parameters ?? [], ...op.parameters ?? []].map((one) => this.follow(one)),
                    security: op.security ?? this.document.security,
                    body: body && { type, schema: body.schema, required: op.requestBody.required, examples: body.examples },
                    responses: op.responses,
                });
            }
        }
        return found;
    }

    // The validator of a schema of the document: 'open' as it is written, 'closed' for answers.
    validator(schema, how) {
        const key = `${how} ${JSON.stringify(schema)}`;
        if (!this.validators.has(key)) {
            const whole = how === 'closed' ? closeHere(structuredClone(schema)) : schema;
            this.validators.set(key, this.ajv.compile(rebase(whole, how)));
        }
        return this.validators.get(key);
    }

    complaints(schema, value, how = 'open') {
        const validate = this.validator(schema, how);
        return validate(value) ? [] : validate.errors.map((error) =>
            `${error.instancePath || '/'} ${error.message} ${JSON.stringify(error.params)}`);
    }

    // The documented response to this status; with `code` the one of a problem that any request can meet.
    response(operation, status) {
        return this.follow(operation?.responses[status] ?? operation?.responses.default
            ?? this.document.components.responses.Any);
    }

    // Everything about an answer that is not as documented. `operation` is undefined for what is none.
    judge(operation, method, answer) {
        const { status, headers, body } = answer;
        const said = [];
        const say = (text) => said.push(text);
        if (status >= 500 && status !== 501)
            say(`the status is ${status}`);
        const response = this.response(operation, status);
        said.push(...this.#judgeHeaders(response, headers, status));
        if (headers['cache-control'] !== 'no-store' && !response.headers['Cache-Control'])
            say(`Cache-Control is ${headers['cache-control']}`);
        const type = headers['content-type'];
        const content = response.content?.[type];
        if (method === 'HEAD' || !response.content) {
            if (body.length > 0)
                say(`there is a body of ${body.length} bytes`);
            if (response.content && !content)
                say(`the media type is ${type}`);
            return said;
        }
        // Who would rather have no body gets none, also with a 201.
        if (body.length === 0 && headers['preference-applied'] === 'return=minimal' && status === 201 && type === undefined)
            return said;
        if (!content)
            return [...said, `a ${status} of type ${type} is not documented: ${body.toString().slice(0, 300)}`];
        if (Number(headers['content-length']) !== body.length)
            say(`Content-Length is ${headers['content-length']}, the body has ${body.length} bytes`);
        let value;
        try {
            value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
        } catch (error) {
            return [...said, `the body is not JSON: ${error.message}`];
        }
        answer.json = value;
        said.push(...this.complaints(content.schema, value, 'closed'));
        if (status >= 400)
            said.push(...judgeProblem(answer));
        else
            said.push(...judgeResource(response, answer));
        return said;
    }

    #judgeHeaders(response, headers, status) {
        const said = [];
        const documented = new Map(Object.entries(response.headers).map(([name, header]) =>
            [name.toLowerCase(), this.follow(header)]));
        for (const [name, header] of documented) {
            if (headers[name] === undefined) {
                // Attempts are counted in this service; what is refused before that (422), or by nginx (429), says nothing.
                const counted = name.startsWith('ratelimit') && status !== 422 && status !== 429;
                if (header.required || counted)
                    said.push(`the header ${name} is missing`);
                continue;
            }
            const number = this.flat(header.schema).type === 'integer';
            said.push(...this.complaints(header.schema, number ? Number(headers[name]) : headers[name])
                .map((text) => `the header ${name} (${headers[name]}): ${text}`));
        }
        for (const name of Object.keys(headers)) {
            if (!documented.has(name) && !EVERYWHERE.has(name) && name !== 'cache-control' && !(name === 'allow' && status === 405))
                said.push(`the header ${name} is not documented: ${headers[name]}`);
        }
        return said;
    }
}

// References of the document, made to point into one of the two that ajv has.
function rebase(schema, how) {
    return JSON.parse(JSON.stringify(schema), (key, value) =>
        key === '$ref' && typeof value === 'string' ? value.replace('#', `${how}#`) : value);
}

// A schema at a place of its own (not a branch of another one) allows no members but those that it names.
function closeHere(schema) {
    closeInside(schema);
    if (schema.type === 'object' || schema.allOf || schema.$ref)
        schema.unevaluatedProperties = false;
    return schema;
}

function closeInside(schema) {
    for (const name of Object.keys(schema.properties ?? {}))
        schema.properties[name] = closeHere(schema.properties[name]);
    if (schema.items)
        schema.items = closeHere(schema.items);
    for (const branch of schema.allOf ?? [])
        closeInside(branch);
    // One of several is a place of its own.
    schema.oneOf = schema.oneOf?.map((branch) => closeHere(branch));
    if (!schema.oneOf)
        delete schema.oneOf;
}

function judgeProblem({ status, headers, json }) {
    const said = [];
    if (json.status !== status)
        said.push(`the problem says status ${json.status}`);
    if (json.trace_id !== headers['x-request-id'])
        said.push(`trace_id is not the X-Request-Id`);
    if (json.type !== `/docs/errors#${json.code}`)
        said.push(`type is ${json.type}, code ${json.code}`);
    return said;
}

function judgeResource(response, { headers, json }) {
    const said = [];
    if (response.headers.ETag && json.version !== undefined && headers.etag !== `"${json.version}"`)
        said.push(`ETag is ${headers.etag}, version ${json.version}`);
    if (json.page && !json.page.next !== !headers.link)
        said.push(`page.next is ${json.page.next}, Link ${headers.link}`);
    if (json.page?.next && !headers.link.includes(`cursor=${json.page.next}`))
        said.push('Link leads elsewhere than page.next');
    return said;
}
