// Credentials are handed out in two halves, by letter and by SMS; who has both takes a passkey and logs in by it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, watch } from 'node:fs';
import { button, look, offer, press } from '../desk.js';
import { facts } from '../window.js';
import { inBoth, lookAt } from './people.js';

const words = {
  sv: {
    search: 'Sök', show: 'Visa', issue: 'Gör inloggningsuppgifter', made: 'Inloggningsuppgifterna är gjorda.', print: 'Skriv ut brevet (Id)',
    printed: 'utskrivet, inte postat', posted: 'Brevet är postat (Id)', isPosted: 'Brevet är postat.',
    id: 'Id', code: 'Kod', goOn: 'Fortsätt', accept: /säkerhetsinstruktion/, byPasskey: 'Använd en passkey', take: 'Skapa passkeyn och ta kontot i bruk',
    noneMade: 'Ingen passkey skapades', inUse: 'Ditt konto är i bruk', passkeyLogin: 'Logga in med passkey',
  },
  en: {
    search: 'Search', show: 'Show', issue: 'Make credentials', made: 'The credentials are made.', print: 'Print the letter (Id)',
    printed: 'printed, not posted', posted: 'The letter is posted (Id)', isPosted: 'The letter is posted.',
    id: 'Id', code: 'Code', goOn: 'Go on', accept: /security instructions/, byPasskey: 'Use a passkey', take: 'Make the passkey and take the account into use',
    noneMade: 'No passkey was made', inUse: 'Your account is in use', passkeyLogin: 'Log in with a passkey',
  },
};

// To an account's page, by its user's name.
export async function toTheAccount(who, name) {
  const { page } = who;
  await page.goto('/admin/accounts');
  await page.getByLabel(words[who.language].search).fill(name);
  await button(who, words[who.language].show).click();
  await page.getByRole('link', { name, exact: true }).last().click();
  await page.getByRole('heading', { level: 1, name }).waitFor();
}

// Two halves: the id on paper, the code by SMS as soon as the letter is posted.
export async function handOut(clerk, name) {
  const { page } = clerk;
  const told = words[clerk.language];
  await toTheAccount(clerk, name);
  await look(clerk, 'life-account-created');
  await press(clerk, offer(clerk, told.issue).getByRole('button', { name: told.issue }));
  await page.getByRole('status').filter({ hasText: told.made }).waitFor();
  const place = new URL(page.url()).pathname;
  await lookAt(clerk, 'life-handout', place);
  const kept = page.waitForEvent('download');
  await button(clerk, told.print).click();
  const letter = readFileSync(await (await kept).path(), 'latin1');
  await page.goto(place);
  await page.getByText(told.printed).waitFor();
  await press(clerk, button(clerk, told.posted));
  await page.getByRole('status').filter({ hasText: told.isPosted }).waitFor();
  await look(clerk, 'life-handout-posted');
  return { id: halfOf(letter), code: await codeSent() };
}

// The half that a letter shows: its text is drawn in pieces, `(…) Tj` or `<…> Tj`.
function halfOf(pdf) {
  const pieces = [...pdf.matchAll(/(?:\(([^)]*)\)|<([0-9A-Fa-f]+)>) Tj/g)];
  const texts = pieces.map(([, text, hex]) => text ?? Buffer.from(hex, 'hex').toString('latin1'));
  const half = texts.find((text) => /^[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}$/.test(text));
  assert.ok(half, 'the letter has an id');
  return half;
}

// The code of the first text message that came, as soon as there is one.
async function codeSent() {
  const changes = watch(facts.messages);
  try {
    const first = () => readFileSync(facts.messages, 'utf8').split('\n').slice(0, -1)[0];
    const signal = AbortSignal.timeout(60_000);
    while (!first()) await once(changes, 'change', { signal });
    const message = new URLSearchParams(first());
    assert.equal(message.get('to'), '+46701740605');
    return message.get('message').match(/[0-9A-Z]{4}-[0-9A-Z]{4}/)[0];
  } finally {
    changes.close();
  }
}

// Both halves, the security instructions, and a passkey.
export async function collect(who, { id, code }) {
  const { page, device } = who;
  await lookAt(who, 'life-collect', '/auth/collect');
  await inBoth(who, '/auth/collect', async () => {
    await halves(who, id, '0000-0000');
    await page.getByRole('alert').waitFor();
    await look(who, 'life-collect-wrong');
  });
  await halves(who, id, code);
  const told = words[who.language];
  await page.getByRole('link', { name: told.byPasskey }).waitFor();
  await lookAt(who, 'life-collect-own', '/auth/collect');
  await page.getByRole('link', { name: told.byPasskey }).click();
  await page.getByRole('button', { name: told.take }).waitFor();
  await lookAt(who, 'life-collect-passkey', '/auth/collect/passkey');
  await device.verify(false);
  await inBoth(who, '/auth/collect/passkey', async () => {
    await page.getByLabel(words[who.language].accept).check();
    await page.getByRole('button', { name: words[who.language].take }).click();
    await page.getByRole('alert').filter({ hasText: words[who.language].noneMade }).waitFor();
    await look(who, 'life-collect-none');
  });
  await device.verify(true);
  await page.getByRole('button', { name: told.take }).click();
  await page.getByRole('heading', { level: 1, name: told.inUse }).waitFor();
  await lookAt(who, 'life-collect-done', '/auth/collect/done');
  assert.equal((await device.credentials()).length, 1);
}

async function halves({ page, language }, id, code) {
  const told = words[language];
  await page.getByLabel(told.id, { exact: true }).fill(id);
  await page.getByLabel(told.code, { exact: true }).fill(code);
  await page.getByRole('button', { name: told.goOn }).click();
}

export async function logInByPasskey({ page, language }) {
  await page.goto(`/auth/login?lang=${language}`);
  await page.getByRole('button', { name: words[language].passkeyLogin }).click();
}
