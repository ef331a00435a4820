// Passkeys in a real Chromium with a virtual authenticator, behind the real gateway: made, used, renamed, removed; and
// what is refused. The person is one of their own: a code is good once.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessibilityFaults, english, facts, logIn, oneTimeCode, openWindow, picture, plugIn, swedish } from './window.js';

const person = facts.people[3];
const form = '__Host-grindvakt-form';
const heading = 'Dina passkeys';
const withPasskey = 'Logga in med passkey';
const withCode = 'Lägg till med engångskod';

async function addPasskey(page, name, code) {
  await page.getByLabel('Namn', { exact: true }).last().fill(name);
  await page.getByLabel(swedish.code).fill(code);
  await page.getByRole('button', { name: withCode }).click();
}

test('a passkey is made, logs in, is renamed and removed, and is refused when it should be', async () => {
  const { context, page, wrong, requested } = await openWindow();
  const device = await plugIn(context, page);
  await page.goto('/auth/passkeys');
  assert.equal(new URL(page.url()).pathname, '/auth/login', 'who is not logged in is led there');
  assert.deepEqual(await accessibilityFaults(page), []);
  await logIn(page, person, swedish);
  await page.waitForURL('**/auth/passkeys');

  // A wrong code, then the next step's: that of this one was the login's.
  assert.equal(await page.locator('h1').innerText(), heading);
  assert.deepEqual(await accessibilityFaults(page), []);
  await picture(page, 'passkeys-none');
  const alert = page.getByRole('alert');
  await addPasskey(page, 'Min dator', '000000');
  await page.getByText('Koden eller passkeyn stämmer inte').waitFor();
  assert.equal(await page.getByRole('button', { name: withCode }).evaluate((one) => one === document.activeElement), true);
  assert.deepEqual(await accessibilityFaults(page), []);
  await picture(page, 'passkeys-wrong-code');
  await addPasskey(page, 'Min dator', oneTimeCode(person.totp_secret, Date.now() / 1000 + 30));
  await page.getByRole('heading', { name: 'Min dator' }).waitFor();
  assert.match(await page.locator('li').innerText(), /Senast använd: aldrig/);
  assert.deepEqual(await accessibilityFaults(page), []);
  await picture(page, 'passkeys');
  assert.equal((await device.credentials()).length, 1);

  await page.getByRole('button', { name: 'Logga ut' }).click();
  await page.waitForURL('**/auth/login');
  await picture(page, 'login-passkey');

  // Without its user's PIN or finger there is no answer.
  await device.verify(false);
  await page.getByRole('button', { name: withPasskey }).click();
  await alert.filter({ hasText: 'Ingen passkey användes' }).waitFor();
  assert.equal(await page.getByRole('button', { name: withPasskey }).isEnabled(), true);
  assert.deepEqual(await accessibilityFaults(page), []);

  // With it there is, once.
  await device.verify(true);
  const cookies = (await context.cookies()).filter((cookie) => cookie.name === form);
  const sent = page.waitForRequest((request) => request.url().endsWith('/auth/login/passkey'));
  await page.getByRole('button', { name: withPasskey }).click();
  const body = (await sent).postData();
  await page.waitForURL((url) => url.pathname === '/');
  await page.goto('/auth/passkeys');
  assert.doesNotMatch(await page.locator('li').innerText(), /aldrig/);

  // The same answer again, from the same browser, with the cookie it had.
  await context.addCookies(cookies);
  const replay = () => page.evaluate(async (body) => {
    const response = await fetch('/auth/login/passkey', {
      method: 'POST', body, headers: { 'content-type': 'application/x-www-form-urlencoded' }, redirect: 'manual',
    });
    return [response.status, await response.text()];
  }, body);
  const [status, text] = await replay();
  assert.equal(status, 403);
  assert.match(text, /Det gick inte att logga in med den passkeyn/);
  await context.clearCookies({ name: form });
  assert.equal((await replay())[0], 403, 'nor from another browser');

  await page.getByLabel('Namn', { exact: true }).first().fill('Min arbetsdator');
  await page.getByRole('button', { name: 'Byt namn' }).click();
  await page.getByRole('heading', { name: 'Min arbetsdator' }).waitFor();

  // Another, confirmed by the first: this authenticator has one already, and says so.
  await page.getByLabel('Namn', { exact: true }).last().fill('En till');
  await page.getByRole('button', { name: 'Lägg till med en passkey du har' }).click();
  await alert.filter({ hasText: 'Ingen passkey användes' }).waitFor();

  // A browser that does not ask for its user to be verified gets an answer, from a passkey that it names; it is refused here.
  await device.replace(false);
  const [{ credentialId }] = await device.credentials();
  await page.goto('/auth/login');
  await page.evaluate((credential) => {
    const id = Uint8Array.from(atob(credential), (letter) => letter.charCodeAt(0));
    const other = { userVerification: 'discouraged', allowCredentials: [{ type: 'public-key', id }] };
    const get = navigator.credentials.get.bind(navigator.credentials);
    navigator.credentials.get = ({ publicKey }) => get({ publicKey: { ...publicKey, ...other } });
  }, credentialId);
  await page.getByRole('button', { name: withPasskey }).click();
  await alert.filter({ hasText: swedish.failed }).waitFor();
  await device.replace(true);

  await page.goto('/auth/passkeys');
  await page.getByRole('button', { name: 'Ta bort' }).click();
  await page.getByText('Du har ingen passkey.').waitFor();
  await page.getByRole('button', { name: 'Logga ut' }).click();
  await page.waitForURL('**/auth/login');
  await page.goto('/auth/login?lang=en');
  await page.getByRole('button', { name: 'Log in with a passkey' }).click();
  await page.getByRole('alert').filter({ hasText: english.failed }).waitFor();
  assert.match(await page.locator('main').innerText(), /could not be logged in with that passkey/);
  assert.deepEqual(await accessibilityFaults(page), []);

  const { origin } = new URL(facts.url);
  assert.deepEqual(requested.filter((url) => !url.startsWith(origin)), [], 'nothing comes from elsewhere');
  // Chromium itself tells of the refusals' status in its console; nothing else may be there.
  assert.deepEqual(wrong.filter((line) => !/status of 403/.test(line)), []);
  await context.close();
});

test('without scripts the page says what is missing, and the login is as it was', async () => {
  const { context, page, wrong } = await openWindow({ javaScriptEnabled: false });
  await page.goto('/auth/login');
  assert.equal(await page.getByRole('button', { name: withPasskey }).count(), 0);
  assert.equal(await page.getByRole('button', { name: swedish.submit, exact: true }).count(), 1);
  assert.deepEqual(wrong, []);
  await context.close();
});
