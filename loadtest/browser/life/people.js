// Those of the walk: how they come to their window, see a page in both languages, and sign what they decide.

import { enter, look } from '../desk.js';
import { english, oneTimeCode, plugIn, swedish } from '../window.js';

const words = {
  sv: { login: swedish, addName: 'Namn', add: 'Lägg till med engångskod', sign: 'Skriv under med passkey', none: 'Ingen passkey användes' },
  en: { login: english, addName: 'Name', add: 'Add with a one-time code', sign: 'Sign with a passkey', none: 'No passkey was used' },
};
const other = { sv: 'en', en: 'sv' };

// Somebody who logs in by password and code, and signs by the same.
export const come = (person, language) => enter(person, language, words[language].login);

// Somebody who logs in by password and code once, and takes a passkey to sign with.
export async function comeWithPasskey(person, language) {
  const who = await come(person, language);
  who.device = await plugIn(who.context, who.page);
  await who.page.goto('/auth/passkeys');
  await who.page.getByLabel(words[language].addName, { exact: true }).last().fill('Test');
  await who.page.locator('#code').fill(oneTimeCode(person.totp_secret, Date.now() / 1000 + 30));
  await who.page.getByRole('button', { name: words[language].add }).click();
  await who.page.getByRole('heading', { name: 'Test' }).waitFor();
  return who;
}

// A page that can be asked for again, in both languages; who looks stays with the first.
export async function lookAt(who, name, path) {
  await inBoth(who, path, () => look(who, name));
}

// The same in both languages.
export async function inBoth(who, path, deed) {
  const first = who.language;
  for (const language of [other[first], first]) {
    await who.page.goto(`${path}?lang=${language}`);
    who.language = language;
    await deed();
  }
}

// Presses a button; if a second factor is asked for, it is a passkey, which is not answered at first.
export async function decide(who, [button, done], name) {
  const { page, device } = who;
  const told = words[who.language];
  await page.getByRole('button', { name: button, exact: true }).click();
  const signing = page.getByRole('button', { name: told.sign });
  const finished = page.getByRole('status').filter({ hasText: done });
  await signing.or(finished).first().waitFor();
  if (await signing.isVisible()) {
    await look(who, `life-step-up-${name}`);
    await device.verify(false);
    await signing.click();
    await page.getByRole('alert').filter({ hasText: told.none }).waitFor();
    await look(who, `life-step-up-none-${name}`);
    await device.verify(true);
    await signing.click();
  }
  await finished.waitFor();
  await look(who, `life-done-${name}`);
}
