// Lists that change in place, in a real Chromium: what is chosen, typed and ordered replaces the list only; the same works with
// scripts switched off; and the page runs no other script than those two.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { enter, look } from './desk.js';
import { facts, openWindow, swedish } from './window.js';

// What goes wrong by itself when a request gives way to the next, or when a test has forbidden it.
const expected = /htmx:(sendAbort|afterRequest|sendError)|net::ERR_ABORTED|net::ERR_FAILED|Content Security Policy/;

let who;
before(async () => {
  who = await enter(facts.lists, 'sv', swedish);
});
after(() => who?.context.close());

// A page that is not loaded anew keeps what a test leaves there.
const leaveMark = (page) => page.evaluate(() => { window.mark = 'left'; });
const marked = (page) => page.evaluate(() => window.mark === 'left');
const focused = (page) => page.evaluate(() => document.activeElement?.id);
const lines = (page) => page.locator('#list tbody tr');

describe('a list', () => {
  test('is searched while one types, says what it found, and no name gets into an address or stays in the browser', async () => {
    const { page, requested } = who;
    await page.goto('/admin/accounts');
    await leaveMark(page);
    const all = await lines(page).count();
    assert.ok(all > 1, 'there are accounts');
    await page.getByLabel('Sök').pressSequentially(facts.lists_finds.slice(0, 5));
    await page.locator('#found', { hasText: 'En rad visas.' }).waitFor();
    assert.equal(await lines(page).count(), 1);
    assert.match(await lines(page).innerText(), new RegExp(facts.lists_finds));
    assert.ok(await marked(page), 'no page was loaded');
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('name')), 'text', 'one goes on typing');
    assert.equal(await page.locator('#found').getAttribute('aria-live'), 'polite');
    assert.equal(await page.locator('#busy').isVisible(), false);
    await look(who, 'lists-found');
    await page.getByLabel('Läge').selectOption('blocked');
    await page.locator('#found', { hasText: 'Ingen rad visas.' }).waitFor();
    await page.getByLabel('Läge').selectOption('');
    await page.locator('#found', { hasText: 'En rad visas.' }).waitFor();
    await page.getByLabel('Sök').fill('');
    await page.locator('#found', { hasText: `${all} rader visas` }).waitFor();
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
    await page.getByLabel('Läge').selectOption('draft');
    await page.waitForURL('**/admin/forms?*state=draft*');
    assert.ok(await marked(page), 'no page was loaded');
    await page.getByLabel('Läge').selectOption('');
    await page.waitForURL((url) => url.searchParams.get('state') === '');
    const columns = page.locator('#list th[aria-sort] a');
    if (await columns.count()) {
      await columns.last().focus();
      const column = await focused(page);
      await page.keyboard.press('Enter');
      await page.waitForURL('**/admin/forms?sort=*');
      await page.locator('#list th[aria-sort=ascending], #list th[aria-sort=descending]').last().waitFor();
      assert.ok(await marked(page), 'no page was loaded');
      assert.equal(await focused(page), column, 'the focus stays');
      const { searchParams } = new URL(page.url());
      await page.getByLabel('Läge').selectOption('draft');
      await page.waitForURL('**/admin/forms?*state=draft*');
      assert.equal(new URL(page.url()).searchParams.get('sort'), searchParams.get('sort'), 'the order is kept');
      await look(who, 'lists-ordered');
      await page.goBack();
      await page.waitForURL((url) => url.searchParams.get('state') !== 'draft');
      assert.equal(await page.getByLabel('Läge').inputValue(), '', 'the page is that of its address');
    }
  });

  test('says so when it cannot be loaded, and is whole again', async () => {
    const { page } = who;
    await page.goto('/admin/accounts');
    await page.route('**/admin/accounts*', (route) => route.abort());
    await page.getByLabel('Läge').selectOption('blocked');
    await page.locator('#found', { hasText: 'Listan kunde inte hämtas' }).waitFor();
    await page.unroute('**/admin/accounts*');
    await page.getByLabel('Läge').selectOption('');
    await page.locator('#found', { hasText: 'rader visas' }).waitFor();
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
    await page.locator('#found', { hasText: 'En rad visas.' }).waitFor();
    assert.match(await lines(page).innerText(), new RegExp(facts.lists_finds));
    assert.doesNotMatch(page.url(), new RegExp(facts.lists_finds.slice(0, 5), 'i'));
    await page.goto('/admin/forms');
    await page.getByLabel('Läge').selectOption('draft');
    await page.getByRole('button', { name: 'Visa', exact: true }).click();
    await page.waitForURL('**/admin/forms?*state=draft*');
    assert.deepEqual(wrong, []);
    await context.close();
  });

  test('gives way to the login when the session has ended', async () => {
    const { context, page, wrong } = who;
    await page.goto('/admin/forms');
    await context.clearCookies();
    await page.getByLabel('Läge').selectOption('draft');
    await page.getByRole('heading', { level: 1, name: 'Logga in' }).waitFor();
    assert.equal(new URL(page.url()).pathname, '/auth/login');
    assert.deepEqual(wrong.filter((line) => !expected.test(line)), []);
  });
});
