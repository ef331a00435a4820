// Lists that change in place, in a real Chromium: what is chosen, typed and ordered replaces the list only; the same works with
// scripts switched off; and the page runs no other script than those two.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { enter, look } from './desk.js';
import { facts, openWindow, swedish } from './window.js';

// What goes wrong by itself when a request gives way to the next, or when a test has forbidden it.
const expected = /htmx:(sendAbort|afterRequest|sendError)|net::ERR_(ABORTED|FAILED)|Content Security Policy|csp|status of 4\d\d/;

let who;
// A form, so that there is one to list.
async function begin(page) {
  await page.goto('/admin/forms/new/application');
  for (const [label, typed] of [
    ['Ändamål', 'Registrering'], ['Klinik/enhet', 'Ortopedkliniken'], ['Enhetens HSA-id', 'SE0000000000-U001'],
    ['Arbetsadress', 'Barngatan 4\n221 00 Lund'], ['Telefon', '046-10 00 00'], ['Register', 'exempelregistret'],
  ]) await page.getByLabel(label, { exact: true }).fill(typed);
  await page.getByLabel('Region', { exact: true }).selectOption('12');
  await page.getByLabel('Läs och skriv', { exact: true }).check();
  await page.getByRole('button', { name: 'Spara utkastet' }).click();
  await page.getByRole('status').filter({ hasText: 'Utkastet är sparat.' }).waitFor();
}

// A page that is not loaded anew keeps what a test leaves there.
const leaveMark = (page) => page.evaluate(() => { window.mark = 'left'; });
const marked = (page) => page.evaluate(() => window.mark === 'left');
const focused = (page) => page.evaluate(() => document.activeElement?.id);
const lines = (page) => page.locator('#list tbody tr');
const state = (page) => page.getByLabel('Läge', { exact: true });
const found = (page, hasText) => page.locator('#found', { hasText }).waitFor();
const chosen = (page, of) => page.waitForURL((url) => url.pathname === '/admin/forms' && url.searchParams.get('state') === of);

describe('a list', () => {
  test('has something in it', async () => {
    who = await enter(facts.lists, 'sv', swedish);
    await begin(who.page);
  });

  test('is searched while one types, says what it found, and no name gets into an address or stays in the browser', async () => {
    const { page, requested } = who;
    await page.goto('/admin/accounts');
    await leaveMark(page);
    const all = await lines(page).count();
    assert.ok(all > 1, 'there are accounts');
    await page.getByLabel('Sök').pressSequentially(facts.lists_finds.slice(0, 5));
    await found(page, 'En rad visas.');
    assert.equal(await lines(page).count(), 1);
    assert.match(await lines(page).innerText(), new RegExp(facts.lists_finds));
    assert.ok(await marked(page), 'no page was loaded');
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('name')), 'text', 'one goes on typing');
    assert.equal(await page.locator('#found').getAttribute('aria-live'), 'polite');
    assert.equal(await page.locator('#busy').isVisible(), false);
    await look(who, 'lists-found');
    await state(page).selectOption('blocked');
    await found(page, 'Ingen rad visas.');
    await state(page).selectOption('');
    await found(page, 'En rad visas.');
    await page.getByLabel('Sök').fill('');
    await found(page, `${all} rader visas`);
    assert.ok(await marked(page), 'no page was loaded');
    const name = new RegExp(facts.lists_finds.slice(0, 5), 'i');
    for (const url of [...requested, page.url()]) assert.doesNotMatch(url, name);
    const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, history.state]));
    assert.doesNotMatch(kept, name);
    assert.doesNotMatch(kept, /<|history-cache/, 'no page is kept');
  });

  test('is ordered and chosen in place, and one can go back', async () => {
    const { page } = who;
    await page.goto('/admin/forms');
    await leaveMark(page);
    await state(page).selectOption('draft');
    await chosen(page, 'draft');
    assert.ok(await marked(page), 'no page was loaded');
    await state(page).selectOption('');
    await chosen(page, '');
    const columns = page.locator('#list th[aria-sort] a');
    await columns.last().focus();
    const column = await focused(page);
    await page.keyboard.press('Enter');
    await page.waitForURL((url) => url.searchParams.get('sort') === 'oldest');
    await page.locator('#list th[aria-sort=ascending]').waitFor();
    assert.ok(await marked(page), 'no page was loaded');
    assert.equal(await focused(page), column, 'the focus stays');
    await look(who, 'lists-ordered');
    await state(page).selectOption('draft');
    await chosen(page, 'draft');
    assert.equal(new URL(page.url()).searchParams.get('sort'), 'oldest', 'the order is kept');
    await page.goBack();
    await page.locator('select[name=state] option:checked[value=""]').waitFor({ state: 'attached' });
    assert.equal(await marked(page), false, 'what was left is loaded anew, nothing of it was kept');
    assert.equal(new URL(page.url()).searchParams.get('state'), '');
  });

  test('says so when it cannot be loaded, and is whole again', async () => {
    const { page } = who;
    await page.goto('/admin/accounts');
    await page.route('**/admin/accounts*', (route) => route.abort());
    await state(page).selectOption('blocked');
    await found(page, 'Listan kunde inte hämtas');
    await page.unroute('**/admin/accounts*');
    await state(page).selectOption('');
    await found(page, 'rader visas');
  });

  test('runs no other script, not even of its own host', async () => {
    const { page } = who;
    await page.goto('/admin/accounts');
    assert.equal(await page.evaluate(() => typeof htmx), 'object', 'this one runs');
    const refused = await page.evaluate(async () => {
      const inline = document.createElement('script');
      inline.textContent = 'window.inline = true';
      document.head.append(inline);
      const own = document.createElement('script');
      own.src = '/auth/static/passkey.js';
      const loaded = new Promise((done) => { own.onload = () => done('loaded'); own.onerror = () => done('refused'); });
      document.head.append(own);
      return [window.inline, await loaded];
    });
    assert.deepEqual(refused, [undefined, 'refused']);
  });

  test('is the same with scripts switched off', async () => {
    const { context, page, wrong } = await openWindow({ javaScriptEnabled: false });
    await context.addCookies(await who.context.cookies());
    await page.goto('/admin/accounts');
    await page.getByLabel('Sök').fill(facts.lists_finds.slice(0, 5));
    await page.getByRole('button', { name: 'Visa', exact: true }).click();
    await found(page, 'En rad visas.');
    assert.match(await lines(page).innerText(), new RegExp(facts.lists_finds));
    assert.doesNotMatch(page.url(), new RegExp(facts.lists_finds.slice(0, 5), 'i'));
    await page.goto('/admin/forms');
    await state(page).selectOption('draft');
    await page.getByRole('button', { name: 'Visa', exact: true }).click();
    await chosen(page, 'draft');
    assert.deepEqual(wrong, []);
    await context.close();
  });

  test('gives way to the login when the session has ended', async () => {
    const { context, page, wrong } = who;
    await page.goto('/admin/forms');
    await context.clearCookies();
    await state(page).selectOption('draft');
    await page.getByRole('heading', { level: 1, name: 'Logga in' }).waitFor();
    assert.equal(new URL(page.url()).pathname, '/auth/login');
    assert.deepEqual(wrong.filter((line) => !expected.test(line)), []);
  });
});
