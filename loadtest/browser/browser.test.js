// A real Chromium against the real stack: device certificate, login with password and one-time code, patient pages.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import tls from 'node:tls';
import { accessibilityFaults, english, facts, logIn, lookInBoth, oneTimeCode, openWindow, picture, swedish } from './window.js';

const [first, second, third] = facts.people;
const [shown, other] = facts.patients;
const wayBack = '__Host-grindvakt-return';
const patientPath = (patient) => `/patients/${patient.number}`;

test('one-time codes are those of the standard', () => {
  const secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
  assert.equal(oneTimeCode(secret, 59), '287082');
  assert.equal(oneTimeCode(secret, 1_111_111_109), '081804');
});

test('without a device certificate there is no page', async () => {
  const { context, page } = await openWindow({}, false);
  // Through Chromium's own TLS, which does not know our authority: so the certificate is not what it stumbles over.
  await assert.rejects(page.goto(patientPath(shown)), /ERR_(CERT_AUTHORITY_INVALID|BAD_SSL_CLIENT_AUTH_CERT|CONNECTION|SOCKET|EMPTY)/);
  await context.close();
  const trusting = await openWindow({ ignoreHTTPSErrors: true }, false);
  await assert.rejects(trusting.page.goto(patientPath(shown)), /ERR_(BAD_SSL_CLIENT_AUTH_CERT|CONNECTION|SOCKET|EMPTY|SSL_PROTOCOL)/);
  await trusting.context.close();
});

test('the PKCS#12 file opens with its pass phrase, and the gateway knows its certificate', async () => {
  const pfx = readFileSync(facts.bundle);
  assert.throws(() => tls.createSecureContext({ pfx, passphrase: 'another' }), /mac verify failure/);
  const { hostname, port } = new URL(facts.url);
  const socket = tls.connect({
    host: hostname, port: Number(port), servername: hostname, ca: readFileSync(facts.authority), pfx, passphrase: facts.pass_phrase,
  });
  socket.setEncoding('latin1').end(`GET /no/such/page HTTP/1.1\r\nhost: ${hostname}:${port}\r\nconnection: close\r\n\r\n`);
  let answer = '';
  for await (const piece of socket) answer += piece;
  assert.match(answer, /^HTTP\/1\.1 404 /);
  assert.equal(socket.getProtocol() ?? 'TLSv1.3', 'TLSv1.3');
});

describe('a user on an enrolled device', () => {
  test('is led to the login page, logs in and comes to the patient that was asked for', async () => {
    const { context, page, wrong, requested } = await openWindow();
    await page.goto(patientPath(shown));
    const login = new URL(page.url());
    assert.equal(login.pathname + login.search, '/auth/login', 'no address but the patient\'s own page names a patient');
    const way = (await context.cookies()).find((cookie) => cookie.name === wayBack);
    assert.ok(way.httpOnly && way.secure && way.sameSite === 'Lax' && way.expires < Date.now() / 1000 + 601, 'the way back is kept for minutes');
    assert.ok(!(await page.content()).includes(shown.number), 'the login page does not name a patient');
    assert.equal(await page.title(), `Logga in – ${facts.title}`);
    assert.equal(await page.locator('html').getAttribute('lang'), 'sv');
    assert.equal(await page.locator('h1').innerText(), 'Logga in');
    assert.equal(await page.getByLabel(swedish.user).evaluate((field) => field === document.activeElement), true, 'one can type at once');
    assert.equal(await page.getByLabel(swedish.password).getAttribute('type'), 'password');
    assert.equal(await page.getByLabel(swedish.code).getAttribute('autocomplete'), 'one-time-code');
    assert.deepEqual(await accessibilityFaults(page), []);
    await picture(page, 'login-sv');
    const icon = await page.evaluate(async () => {
      const image = new Image();
      image.src = document.querySelector('link[rel=icon]').href;
      await image.decode();
      return [new URL(image.src).pathname, image.naturalWidth, image.naturalHeight];
    });
    assert.deepEqual(icon, ['/favicon.ico', 16, 16], 'the icon that browsers ask for by themselves');

    await logIn(page, first, swedish);
    await page.waitForURL(`**${patientPath(shown)}`);
    assert.equal(await page.locator('h1').innerText(), shown.name);
    assert.match(await page.title(), new RegExp(shown.name));
    assert.deepEqual(await accessibilityFaults(page), []);
    await picture(page, 'patient');

    const cookies = await context.cookies();
    assert.ok(!cookies.some((cookie) => cookie.name === wayBack), 'the way back is forgotten');
    const session = cookies.find((cookie) => cookie.httpOnly && cookie.secure && cookie.name.startsWith('__Host-'));
    assert.ok(session, 'the session cookie is bound to this host, and no script reads it');
    assert.equal(await page.evaluate(() => document.cookie), '');
    assert.deepEqual(wrong, []);
    const { origin } = new URL(facts.url);
    assert.deepEqual(requested.filter((url) => !url.startsWith(origin)), [], 'nothing comes from elsewhere');
    await context.close();
  });

  test('logs in without scripts, in English, on a small dark screen', async () => {
    const { context, page, wrong } = await openWindow({
      javaScriptEnabled: false, locale: 'en-GB', colorScheme: 'dark', viewport: { width: 360, height: 740 },
    });
    await page.goto(patientPath(other));
    assert.equal(await page.title(), `Log in – ${facts.title}`);
    assert.equal(await page.locator('html').getAttribute('lang'), 'en');
    await picture(page, 'login-en-dark-small');
    await page.getByRole('link', { name: 'På svenska' }).click();
    assert.equal(await page.title(), `Logga in – ${facts.title}`);
    await page.getByRole('link', { name: 'In English' }).click();
    await logIn(page, second, english);
    await page.waitForURL(`**${patientPath(other)}`);
    assert.equal(await page.locator('h1').innerText(), other.name);
    assert.deepEqual(wrong, []);
    await context.close();
  });

  test('is told that login failed, and not why', async () => {
    const { context, page, wrong } = await openWindow();
    await page.goto(patientPath(shown));
    await logIn(page, third, swedish, { password: 'not this one' });
    const alert = page.getByRole('alert');
    await alert.waitFor();
    assert.match(await alert.innerText(), new RegExp(swedish.failed));
    assert.match(await page.title(), new RegExp(`^${swedish.failed}`));
    const known = await page.locator('main').innerText();
    const html = await page.content();
    assert.ok(!html.includes(third.user), 'the page does not repeat the user name');
    assert.ok(!html.includes('not this one'), 'nor the password');
    assert.deepEqual(await accessibilityFaults(page), []);
    await picture(page, 'login-failed');

    // A name that nobody has gets the same answer.
    await logIn(page, { ...third, user: 'nobody-of-that-name' }, swedish, { password: 'not this one' });
    await page.waitForLoadState('load');
    assert.equal(await page.locator('main').innerText(), known);

    await page.goto('/auth/login?lang=en');
    await logIn(page, { ...third, user: 'nobody-of-that-name' }, english, { password: 'not this one' });
    assert.match(await page.getByRole('alert').innerText(), new RegExp(english.failed));
    assert.deepEqual(await accessibilityFaults(page), []);
    await picture(page, 'login-failed-en');
    // Chromium itself tells of the refusals' status in its console; nothing else may be there.
    assert.deepEqual(wrong.filter((line) => !/status of 403/.test(line)), []);
    await context.close();
  });

  test('sees an error page with a request number where there is nothing', async () => {
    const { context, page, wrong, requested } = await openWindow();
    const response = await page.goto('/there/is/no/such/page');
    assert.equal(response.status(), 404);
    assert.match(await page.locator('main').innerText(), /Ärendenummer: [0-9a-f-]{36}/);
    assert.deepEqual(await accessibilityFaults(page), []);
    assert.equal(requested.length, 1, 'the page asks for nothing else');
    await lookInBoth(page, 'not-found');
    assert.deepEqual(wrong.filter((line) => !/status of 404/.test(line)), []);
    await context.close();
  });
});
