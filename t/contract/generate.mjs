// Values made from schemas: good ones as arbitraries of fast-check, so that what fails can be made smaller; those on the
// limits, and one past them; and bad ones, made from a good one by one change.
import fc from 'fast-check';

// The pattern of cursors.
export const CURSOR = /^\^\[A-Za-z0-9_-\]\+\$$/;

const DAY_MS = 24 * 60 * 60 * 1000;
const today = () => new Date(Date.now());
const date = (time) => new Date(time).toISOString().slice(0, 10);

// Control characters, and what Unicode calls noncharacters, are in no text of the service.
const printable = (char) => {
    const point = char.codePointAt(0);
    return point >= 0x20 && !(point >= 0x7f && point <= 0x9f) && (point & 0xfffe) !== 0xfffe && !(point >= 0xfdd0 && point <= 0xfdef)
        && !(point >= 0xd800 && point <= 0xdfff);
};
const ascii = fc.integer({ min: 0x20, max: 0x7e }).map((point) => String.fromCodePoint(point));
const anyChar = fc.oneof(
    { arbitrary: ascii, weight: 6 },
    { arbitrary: fc.constantFrom('ä', 'ß', 'İ', 'é', '\u0301', '\u202e', '\u200b', '\ufeff', '猫', '🐕', '\u{10fffd}', '%', '_', '\\', '"', "'"), weight: 2 },
    { arbitrary: fc.integer({ min: 0xa0, max: 0x10ffff }).map((point) => String.fromCodePoint(point)).filter(printable), weight: 1 },
);

function text(schema) {
    const lines = schema.pattern?.includes('\\u0008');
    const unit = lines ? fc.oneof({ arbitrary: anyChar, weight: 9 }, { arbitrary: fc.constantFrom('\n', '\r', '\t'), weight: 1 }) : anyChar;
    return fc.string({ unit, minLength: schema.minLength ?? 0, maxLength: Math.min(schema.maxLength ?? 100, 300) });
}

function secret(schema) {
    const most = Math.min(schema.maxLength ?? 100, 100);
    return fc.string({ unit: fc.oneof({ arbitrary: ascii, weight: 9 }, { arbitrary: fc.constantFrom('\0', '\n', 'ä', '🐕'), weight: 1 }), minLength: schema.minLength ?? 0, maxLength: most })
        .filter((value) => Buffer.byteLength(value) <= (schema['x-max-bytes'] ?? Infinity));
}

const hex = (length) => fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length });
const word = (least, most) => fc.string({ unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789'), minLength: least, maxLength: most });
const email = fc.tuple(word(1, 30), hex(12), word(1, 20)).map(([local, some, host]) => `${local}.${some}@${host}.example`);
const tags = fc.oneof(fc.constant('*'), fc.array(fc.constantFrom('"1"', '"2"', 'W/"1"', '""', '"a"', '"0"', '"2147483648"', '"01"'), { minLength: 1, maxLength: 5 }).map((list) => list.join(', ')));

// Strings that are known by their format or pattern.
function string(schema, known) {
    if (schema.enum)
        return fc.constantFrom(...schema.enum);
    const byFormat = {
        uuid: () => fc.oneof(fc.constantFrom(...known.ids), fc.uuid()),
        date: () => fc.integer({ min: 0, max: 40000 }).map((days) => date(today() - days * DAY_MS)),
        email: () => fc.oneof({ arbitrary: email, weight: 4 }, ...known.emails.map((one) => ({ arbitrary: fc.constant(one), weight: 1 }))),
        password: () => secret(schema),
    }[schema.format];
    if (byFormat)
        return byFormat();
    const byPattern = [
        [/^\^\[0-9\]\{15\}\$$/, () => fc.oneof(fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 15, maxLength: 15 }), ...known.microchips.map(fc.constant))],
        [CURSOR, () => fc.oneof(fc.string({ unit: fc.constantFrom(...'abcXYZ019_-'), minLength: 1, maxLength: 200 }), ...known.cursors.map(fc.constant))],
        [/W\//, () => tags],
        [/^\^"\(/, () => fc.string({ unit: ascii.filter((char) => char !== '"' && char !== '\\'), minLength: 1, maxLength: 60 }).map((key) => `"${key}"`)],
        [/^\^\[\^\\u0000/, () => text(schema)],
    ].find(([pattern]) => pattern.test(schema.pattern ?? ''));
    if (!byPattern)
        throw new Error(`there is no generator for ${JSON.stringify(schema)}`);
    return byPattern[1]();
}

// Good values of a schema. `known` has what exists, and may be taken: ids, cursors, microchip numbers, addresses.
export function good(contract, schema, known) {
    const flat = contract.flat(schema);
    const value = {
        string: () => string(flat, known),
        integer: () => fc.oneof(fc.integer({ min: flat.minimum, max: flat.maximum }), fc.constantFrom(flat.minimum, flat.maximum)),
        array: () => (flat.uniqueItems ? fc.uniqueArray : fc.array)(good(contract, flat.items, known), { minLength: flat.minItems ?? 0, maxLength: flat.maxItems }),
        object: () => object(contract, flat, known),
    }[flat.type]();
    return flat.nullable ? fc.option(value, { nil: null, freq: 6 }) : value;
}

function object(contract, flat, known) {
    const members = Object.fromEntries(Object.entries(flat.properties).map(([name, schema]) => [name, good(contract, schema, known)]));
    const required = flat.required ?? [];
    if (!flat.oneOf)
        return fc.record(members, { requiredKeys: required });
    // One of several members, with what is always there.
    const choices = flat.oneOf.map((branch) => branch.required[0]);
    return fc.oneof(...choices.map((choice) => fc.record(
        Object.fromEntries(Object.entries(members).filter(([name]) => name === choice || !choices.includes(name))),
        { requiredKeys: [...required, choice] })));
}

// --- limits ---------------------------------------------------------------------------------------------

const random = (length) => Array.from({ length }, (_, at) => 'abcdefghijkmnpqrstuvwxyz23456789'[(at * 7 + length * 13 + at * at) % 32]).join('');
const address = (length) => `${random(64)}@${random(62)}.${random(62)}.${random(length - 64 - 1 - 62 - 1 - 62 - 1)}`;

// [description, value, whether it is good] for each limit of a schema.
export function limits(contract, schema) {
    const flat = contract.flat(schema);
    const at = (what, value, isGood) => [what, value, isGood];
    const found = [];
    if (flat.nullable)
        found.push(at('null', null, true));
    else
        found.push(at('null', null, false));
    if (flat.enum) {
        found.push(...flat.enum.map((one) => at(`the word ${one}`, one, true)), at('another word', `${flat.enum[0]}x`, false), at('the empty word', '', false), at('a word in capitals', swapCase(flat.enum[0]), false));
    } else if (flat.type === 'integer') {
        found.push(at('the least', flat.minimum, true), at('one less', flat.minimum - 1, false), at('the most', flat.maximum, true), at('one more', flat.maximum + 1, false));
    } else if (flat.type === 'array') {
        found.push(...arrays(contract, flat));
    } else if (flat.format === 'date') {
        found.push(at('today', date(today()), true), at('the first day', '0001-01-01', true), at('a leap day', '2024-02-29', true), at('no leap day', '2023-02-29', false), at('year 0', '0000-12-31', false), at('a month too many', '2020-13-01', false));
        if (flat['x-past'])
            found.push(at('the day after tomorrow', date(+today() + 2 * DAY_MS), false));
    } else if (flat.format === 'email') {
        found.push(at('the longest', address(flat.maxLength), true), at('one longer', address(flat.maxLength + 1), false), at('no address', random(20), false));
    } else if (flat.format === 'uuid') {
        found.push(at('one digit less', '019b0000-0000-7000-8000-00000000dea', false), at('one more', '019b0000-0000-7000-8000-00000000dead0', false), at('no hexadecimal digit', '019b0000-0000-7000-8000-00000000deag', false));
    } else if (/^\^\[0-9\]/.test(flat.pattern ?? '')) {
        found.push(at('one digit less', '1'.repeat(flat.minLength - 1), false), at('one more', '1'.repeat(flat.maxLength + 1), false), at('no digit', 'x'.repeat(flat.minLength), false));
    } else if (flat.type === 'string') {
        found.push(...strings(flat));
    }
    return found;
}

const swapCase = (one) => one === one.toUpperCase() ? one.toLowerCase() : one.toUpperCase();

function strings(flat) {
    const found = [];
    const bytes = flat['x-max-bytes'];
    const isCursor = CURSOR.test(flat.pattern ?? '');
    if (flat.minLength > 0)
        found.push(['one character less', random(flat.minLength - 1), false]);
    if (!isCursor && flat.minLength !== undefined)
        found.push(['the shortest', random(flat.minLength), true]);
    if (flat.maxLength !== undefined) {
        found.push(['one character more', random(flat.maxLength + 1), false]);
        if (!isCursor)
            found.push(['the longest', random(flat.maxLength), true]);
        if (!bytes && !isCursor)
            found.push(['the longest, four bytes a character', '🐕'.repeat(flat.maxLength), true], ['one more of these', '🐕'.repeat(flat.maxLength + 1), false]);
    }
    if (bytes)
        found.push(['more bytes, not more characters', `${random(bytes - 1)}ä`, false]);
    if (flat.pattern && !isCursor) {
        const allowed = flat.pattern.includes('\\u0008') ? ['\n', '\t', '\r'] : [];
        for (const char of ['\n', '\t', '\0', '\u001f', '\u007f', '\u009f'])
            found.push([`U+${char.codePointAt(0).toString(16)}`, `a${char}b`, allowed.includes(char)]);
    }
    return found;
}

function arrays(contract, flat) {
    const fine = contract.flat(flat.items).enum?.[0] ?? 'a';
    const full = flat.uniqueItems ? contract.flat(flat.items).enum.slice(0, flat.maxItems) : Array(flat.maxItems).fill(fine);
    const found = [['as many items as fit', full, true], ['one more', [...full, fine], false]];
    if (flat.uniqueItems)
        found.push(['one twice', [fine, fine], false]);
    found.push(['no items', [], !flat.minItems]);
    for (const [what, value, isGood] of limits(contract, flat.items))
        found.push([`an item: ${what}`, [value], isGood]);
    found.push(['an array in it', [['a']], false], ['an object', { 0: fine }, false]);
    return found;
}

// Values that are of the wrong type for any field that is not a number or has not this type.
export function wrongTypes(contract, schema) {
    const flat = contract.flat(schema);
    const values = { a_boolean: true, a_number: 1.5, a_huge_number: 2 ** 53, an_object: { a: 1 }, an_array: [1], a_string: 'x', a_number_as_text: '1' };
    const fits = { string: ['a_string', 'a_number_as_text'], integer: [], array: [], object: [] }[flat.type];
    return Object.entries(values).filter(([name]) => !fits.includes(name));
}
