// Judges what contract-examples.t has recorded: the examples of the document by its schemas, and the answers that the
// service gave when they were carried out. Prints a line of JSON for each point.
import { readFileSync } from 'node:fs';
import { Contract } from './contract.mjs';

const [documentFile, recordFile] = process.argv.slice(2);
const contract = new Contract(documentFile);
const point = (name, complaints) => console.log(JSON.stringify({ name, complaints }));

// What an example stands for.
const valueOf = (example) => contract.follow(example).value;

// Schemas of the answers, also in components, and of the bodies that are taken.
for (const operation of contract.operations) {
    for (const [name, example] of Object.entries(operation.body?.examples ?? {}))
        point(`${operation.name}: body ${name}`, contract.complaints(operation.body.schema, valueOf(example)));
    for (const [status, response] of Object.entries(operation.responses)) {
        for (const [type, content] of Object.entries(contract.follow(response).content ?? {})) {
            if (type === 'application/problem+json')
                continue;
            for (const [name, example] of Object.entries(content.examples))
                point(`${operation.name}: ${status} ${name}`, contract.complaints(content.schema, valueOf(example), 'closed'));
        }
    }
    for (const parameter of operation.parameters.filter((one) => one.example !== undefined))
        point(`${operation.name}: ${parameter.name}`, contract.complaints(parameter.schema, parameter.example));
}
for (const [name, response] of Object.entries(contract.document.components.responses)) {
    const content = response.content?.['application/problem+json'];
    for (const example of Object.values(content?.examples ?? {}))
        point(`response ${name}`, contract.complaints(content.schema, valueOf(example), 'closed'));
}

for (const { operationId, name, status, headers, body } of JSON.parse(readFileSync(recordFile, 'utf8'))) {
    const operation = contract.operations.find((one) => one.id === operationId);
    const answer = { status, headers, body: Buffer.from(body, 'base64') };
    point(`${operationId} ${name}: the answer`, contract.judge(operation, operation.method, answer));
}
