// Uses the pages of /docs as a person would, in a headless Chromium. Started by docs-browser.t with a file that says where
// the service and the browser are and who uses them; prints a line of JSON for each point.
//
// From its first byte on, everything is written down that must not be: violations of the Content-Security-Policy, errors
// and warnings of the console, exceptions, requests to anywhere else, and answers that are errors. At the end mistakes are
// made on purpose, which the same records must show.
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const contract = JSON.parse(readFileSync(config.contract, 'utf8'));

const point = (name, complaints = [], more = {}) => console.log(JSON.stringify({ name, complaints, ...more }));
const check = (name, good, complaint = 'no') => point(name, good ? [] : [String(complaint)]);

// The service's certificate is the one that is trusted, for its key; and no name but the service's has an address.
const key = new X509Certificate(readFileSync(config.certificate)).publicKey.export({ type: 'spki', format: 'der' });
const browser = await chromium.launch({
    executablePath: config.browser,
    args: [
        `--ignore-certificate-errors-spki-list=${createHash('sha256').update(key).digest('base64')}`,
        '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost',
        '--disable-features=LocalNetworkAccessChecks',    // or it, and not the service, would forbid the frame at the end
    ],
});

process.on('uncaughtException', async (error) => {
    console.error(error);
    await browser.close();
    process.exit(1);
});

// A page whose faults are in its `faults`.
async function open() {
    const context = await browser.newContext({ viewport: { width: 1280, height: 1000 } });
    context.setDefaultTimeout(config.timeout);
    const page = await context.newPage();
    page.faults = [];
    page.requests = [];
    await page.exposeBinding('violated', (source, what) => page.faults.push(`violation: ${what}`));
    await page.addInitScript(() => document.addEventListener('securitypolicyviolation', (event) =>
        window.violated(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`)));
    page.on('console', (message) => {
        if (['error', 'warning', 'assert'].includes(message.type()))
            page.faults.push(`console: ${message.text()} ${message.location().url}`);
    });
    page.on('pageerror', (error) => page.faults.push(`exception: ${error}`));
    page.on('request', (request) => {
        page.requests.push(request);
        const url = new URL(request.url());
        if (url.protocol !== 'data:' && url.origin !== config.url)
            page.faults.push(`outside: ${url}`);
    });
    page.on('requestfailed', (request) => page.faults.push(`failed: ${request.url()} ${request.failure()?.errorText}`));
    page.on('response', (response) => response.status() >= 400 && page.faults.push(`answer: ${response.status()} ${response.url()}`));
    return page;
}

// Says what there was to find fault with since the last time.
const faultless = (page, name) => point(name, page.faults.splice(0));

const operations = Object.values(contract.paths).flatMap((path) =>
    Object.entries(path).filter(([, part]) => part.operationId).map(([method, part]) => ({ ...part, method })));
const tagOf = Object.fromEntries(operations.map((operation) => [operation.operationId, operation.tags[0]]));
const block = (page, id) => page.locator(`#operations-${tagOf[id]}-${id}`);

async function reference(page, address = '/docs') {
    await page.goto(config.url + address);
    await page.locator('.opblock').first().waitFor();
}

// Tries an operation out: fills in the body or parameters and returns what was sent and what came.
async function tryOut(page, id, { body, parameters = {} }) {
    const place = block(page, id);
    await place.locator('.opblock-summary-control').click();
    await place.locator('.try-out__btn').click();
    if (body)
        await place.locator('textarea.body-param__text').fill(JSON.stringify(body));
    for (const [name, value] of Object.entries(parameters))
        await place.locator(`tr[data-param-name="${name}"] input`).fill(value);
    const coming = page.waitForResponse((response) => new URL(response.url()).pathname.startsWith('/v1/'));
    await place.locator('.execute').click();
    const response = await coming;
    const shown = place.locator('.live-responses-table .response .response-col_description').first();
    await shown.waitFor();
    const result = {
        status: response.status(), json: await response.json(), sent: await response.request().allHeaders(),
        shown: { status: await place.locator('.live-responses-table .response .response-col_status').first().innerText(), text: await shown.innerText() },
    };
    await place.locator('.opblock-summary-control').click();
    return result;
}

// --- the reference --------------------------------------------------------------------------------------

const page = await open();
await reference(page);
check('the reference has every operation of the contract', await page.locator('.opblock').count() === operations.length,
    `${await page.locator('.opblock').count()} of ${operations.length}`);
check('with its styles', await page.locator('nav.pages').evaluate((nav) => getComputedStyle(nav).display) === 'flex' &&
    await page.locator('.opblock').first().evaluate((one) => getComputedStyle(one).borderRadius) !== '0px');
faultless(page, 'nothing was to find fault with when it was opened');

const login = await tryOut(page, 'login', { body: { email: config.email, password: config.password } });
check('Try it out: login', login.status === 200 && login.shown.status.startsWith('200'), JSON.stringify(login));
check('... whose answer is shown', login.shown.text.includes(login.json.access_token?.slice(0, 40)), login.shown.text);
check('... without a token, since it wants none', !login.sent.authorization, login.sent.authorization);

await page.locator('.auth-wrapper .authorize').click();
const scheme = page.locator('.modal-ux .auth-container', { hasText: 'accessToken' });
await scheme.locator('input').first().fill(login.json.access_token);
await scheme.locator('button.authorize').click();
await scheme.locator('button', { hasText: 'Logout' }).waitFor();
await scheme.locator('.btn-done').click();
check('Authorize takes the token', await page.locator('.auth-wrapper .authorize.locked').count() === 1);

const created = await tryOut(page, 'createPet', { body: { name: config.pet, species: 'dog', weight_grams: 21500 } });
check('Try it out: a pet is created', created.status === 201 && created.shown.status.startsWith('201'), JSON.stringify(created));
check('... which is shown', created.shown.text.includes(config.pet), created.shown.text);
check('... with the token of Authorize', created.sent.authorization === `Bearer ${login.json.access_token}`, created.sent.authorization);
check('... and no idempotency key that nobody has chosen', !('idempotency-key' in created.sent), created.sent['idempotency-key']);

const got = await tryOut(page, 'getPet', { parameters: { id: created.json.id } });
check('Try it out: it is read', got.status === 200 && got.json.name === config.pet && got.shown.text.includes(config.pet), JSON.stringify(got));
check('... without a precondition that nobody has set', !('if-none-match' in got.sent), got.sent['if-none-match']);
const listed = await tryOut(page, 'listPets', {});
check('Try it out: it is listed', listed.json.items?.some((pet) => pet.id === created.json.id), JSON.stringify(listed));
faultless(page, 'nothing was to find fault with meanwhile');
point('the pet', [], { pet: created.json.id });

// Something of every kind is shown: an operation of each method, with the schemas of its request and its success, and the
// list of all schemas. (All operations would be the same few parts five hundred times.)
const methods = new Set();
for (const operation of operations) {
    if (methods.has(operation.method))
        continue;
    methods.add(operation.method);
    const place = block(page, operation.operationId);
    await place.locator('.opblock-summary-control').click();
    await place.locator('.responses-table').first().waitFor();
    const tabs = place.locator('.model-example button[data-name="model"]');
    for (let i = 0; i < Math.min(2, await tabs.count()); i++)
        await tabs.nth(i).click();
    check(`${operation.operationId} can be opened, and its schemas`, await tabs.count() === 0 || await place.locator('.json-schema-2020-12').count() > 0);
    await place.locator('.opblock-summary-control').click();
}
await page.locator('section.models .models-control').click();
const schemas = page.locator('section.models article[data-json-schema-level="0"]');
await schemas.first().waitFor();
check('every schema is in the list', await schemas.count() === Object.keys(contract.components.schemas).length,
    `${await schemas.count()} of ${Object.keys(contract.components.schemas).length}`);
await schemas.filter({ hasText: 'Problem' }).first().locator('.json-schema-2020-12-expand-deep-button').first().click();
check('and can be opened', await schemas.filter({ hasText: 'trace_id' }).count() > 0);
const links = await page.locator('#reference a[href]').evaluateAll((all) => all.map((one) => one.getAttribute('href')));
point('the links of the reference', [], { links: [...new Set(links)] });
faultless(page, 'nothing was to find fault with in any of it');

await page.goto('about:blank');
await reference(page, '/docs#/pets/createPet');
await block(page, 'createPet').locator('.opblock-body').waitFor();
check('an operation has an address of its own', await block(page, 'createPet').locator('.opblock-body').isVisible());
check('the token is forgotten with the page', await page.locator('.auth-wrapper .authorize.unlocked').count() === 1);
await reference(page, '/docs?url=https://example.org/openapi.json&configUrl=https://example.org/config.json&spec={}');
check('the address cannot name another contract', await page.locator('.opblock').count() === operations.length);
faultless(page, 'nothing was to find fault with');

// --- the texts ------------------------------------------------------------------------------------------

for (const [link, title] of [['Guide', 'Guide'], ['Errors', 'Errors']]) {
    await page.locator('nav.pages a', { hasText: link }).click();
    await page.locator('main.text h1', { hasText: title }).waitFor();
    check(`${title}: with its styles`, await page.locator('main.text').evaluate((main) => getComputedStyle(main).maxWidth) === '768px');
}
await page.goto(`${config.url}/docs/errors#precondition_failed`);
check('the type of an error leads to its section', await page.locator(':target').innerText() === 'precondition_failed#' &&
    await page.locator(':target').evaluate((target) => { const box = target.getBoundingClientRect(); return box.top >= 0 && box.top < 100; }),
    await page.locator(':target').innerText());
faultless(page, 'nothing was to find fault with on the pages of text');
check('what the pages load', page.requests.every((request) => request.url().startsWith(`${config.url}/`) || request.url().startsWith('data:')));

// --- the records do record, and the policy does forbid ------------------------------------------------------

const mistakes = [
    ['a style in the page', () => document.head.append(Object.assign(document.createElement('style'), { textContent: 'p { color: red }' })), /violation: style-src-elem inline/],
    ['a style in an attribute', () => document.body.insertAdjacentHTML('beforeend', '<p style="color: red">x</p>'), /violation: style-src-attr inline/],
    ['a script in the page', () => document.head.append(Object.assign(document.createElement('script'), { textContent: 'window.ran = 1' })), /violation: script-src-elem inline/],
    ['a script in an attribute', () => document.body.insertAdjacentHTML('beforeend', '<img src="data:," onerror="window.ran = 1">'), /violation: script-src-attr inline/],
    ['a script of others', () => document.head.append(Object.assign(document.createElement('script'), { src: 'https://example.org/x.js' })), /violation: script-src-elem https:\/\/example\.org/],
    ['text that becomes a script', () => setTimeout('window.ran = 1'), /violation: script-src eval/],
    ['an image of others', () => { new Image().src = 'https://example.org/x.png'; }, /violation: img-src https:\/\/example\.org/],
    ['a request to others', () => fetch('https://example.org/').catch(() => {}), /violation: connect-src https:\/\/example\.org/],
    ['a frame', () => document.body.append(Object.assign(document.createElement('iframe'), { src: '/docs/guide' })), /violation: frame-src/],
    ['a form', () => { const form = Object.assign(document.createElement('form'), { action: '/docs' }); document.body.append(form); form.submit(); }, /violation: form-action/],
    ['an error of the console', () => console.error('oops'), /console: oops/],
    ['an exception', () => setTimeout(() => { throw new Error('oops'); }), /exception: Error: oops/],
    ['an error as answer', () => fetch('/v1/nothing'), /answer: 404/],
];
const bad = await open();
await bad.goto(`${config.url}/docs`);
for (const [name, mistake, found] of mistakes) {
    await bad.evaluate(mistake);
    const end = Date.now() + config.timeout;
    while (!bad.faults.some((fault) => found.test(fault)) && Date.now() < end)
        await bad.waitForTimeout(10);
    check(`${name} is found`, bad.faults.some((fault) => found.test(fault)), bad.faults.join('\n'));
}
check('nothing of it has run', await bad.evaluate(() => window.ran === undefined));

// A page of others cannot have ours in a frame; this one is allowed to have frames, and has none of ours.
await bad.route('https://localhost/**', (route) => route.fulfill({ contentType: 'text/html', body: `<iframe src="${config.url}/docs/guide"></iframe>` }));
bad.faults.length = 0;
await bad.goto('https://localhost/frame');
const end = Date.now() + config.timeout;
while (!bad.faults.some((fault) => /frame-ancestors/.test(fault)) && Date.now() < end)
    await bad.waitForTimeout(10);
check('a page of others cannot show ours in a frame', bad.faults.some((fault) => /frame-ancestors/.test(fault)), bad.faults.join('\n'));

await browser.close();
point('done', [], { done: true });
