// A real Chromium against the real stack: device certificate, login with password and one-time code, patient pages.
//
// What it works with comes as JSON in the file that GRINDVAKT_FACTS names:
//   url          where the gateway answers, https://localhost:PORT
//   certificate  the device's certificate and its key, PEM files
//   bundle       the same as a PKCS#12 file, and pass_phrase to open it
//   authority    the authority of the gateway's certificate, a PEM file
//   people       [{user, password, totp_secret}], three of them: a code is good once, so each logs in once
//   patients     [{number, name}], at least two
//   screenshots  a folder for pictures
//   chromium     the browser's file
//   title        the title of the login page
//
// Playwright makes the TLS connection in this process when a client certificate is given, so the authority is trusted through
// NODE_EXTRA_CA_CERTS, and the certificate comes as PEM: Node forgets those authorities when it reads a PKCS#12 file. That
// the file is good is a test of its own. Nothing is fetched from outside.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { chromium } from 'playwright-core';

const facts = JSON.parse(readFileSync(process.env.GRINDVAKT_FACTS, 'utf8'));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const [first, second, third] = facts.people;
const [shown, other] = facts.patients;
const wayBack = '__Host-grindvakt-return';
const patientPath = (patient) => `/patients/${patient.number}`;

const swedish = { user: 'Användarnamn', password: 'Lösenord', code: 'Engångskod', submit: 'Logga in', failed: 'Det gick inte att logga in' };
const english = { user: 'User name', password: 'Password', code: 'One-time code', submit: 'Log in', failed: 'You could not be logged in' };

let browser;
before(async () => {
  browser = await chromium.launch({
    executablePath: facts.chromium,
    args: [
      '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
    ],
    // Chromium refuses its sandbox to root.
    chromiumSandbox: process.getuid() !== 0,
  });
});
after(() => browser?.close());

// A one-time code as an authenticator app shows it (RFC 6238: HMAC-SHA-1, 30 seconds, six digits).
function oneTimeCode(secret, seconds = Date.now() / 1000) {
  let bits = '';
  for (const letter of secret.replace(/[=\s]/g, '').toUpperCase()) {
    bits += 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0');
  }
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(seconds / 30)));
  const digest = createHmac('sha1', key).update(counter).digest();
  const word = digest.readUInt32BE(digest[19] & 15) & 0x7fffffff;
  return String(word % 1_000_000).padStart(6, '0');
}

// A window of an enrolled device (or of one without a certificate), with what went wrong in it.
async function openWindow(options = {}, enrolled = true) {
  const { origin } = new URL(facts.url);
  const clientCertificates = enrolled ? [{ origin, certPath: facts.certificate, keyPath: facts.key }] : undefined;
  const context = await browser.newContext({ baseURL: facts.url, locale: 'sv-SE', clientCertificates, ...options });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const wrong = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') wrong.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => wrong.push(`script: ${error.message}`));
  page.on('requestfailed', (request) => wrong.push(`request: ${request.url()} ${request.failure()?.errorText}`));
  const requested = [];
  page.on('request', (request) => requested.push(request.url()));
  return { context, page, wrong, requested };
}

async function logIn(page, person, words, { password = person.password } = {}) {
  await page.getByLabel(words.user).fill(person.user);
  await page.getByLabel(words.password).fill(password);
  await page.getByLabel(words.code).fill(oneTimeCode(person.totp_secret));
  await page.getByRole('button', { name: words.submit }).click();
}

// What axe finds against WCAG 2.1 A and AA. Our pages forbid foreign scripts, so axe comes by the debugger's way.
async function accessibilityFaults(page) {
  const session = await page.context().newCDPSession(page);
  const run = async (expression, awaitPromise = false) => {
    const { result, exceptionDetails } = await session.send('Runtime.evaluate', { expression, awaitPromise, returnByValue: true });
    assert.equal(exceptionDetails, undefined, 'axe runs');
    return result.value;
  };
  await run(`${axe};true`);
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'];
  const text = await run(
    `axe.run(document, { runOnly: { type: 'tag', values: ${JSON.stringify(tags)} } }).then((found) => JSON.stringify(`
      + 'found.violations.map((rule) => `${rule.id}: ${rule.help} (${rule.nodes.map((node) => node.html).join(" ")})`)))',
    true,
  );
  await session.detach();
  return JSON.parse(text);
}

async function picture(page, name) {
  await page.screenshot({ path: `${facts.screenshots}/${name}.png`, fullPage: true });
}

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
    await picture(page, 'not-found');
    assert.equal(requested.length, 1, 'the page asks for nothing else');
    assert.deepEqual(wrong.filter((line) => !/status of 404/.test(line)), []);
    await context.close();
  });
});
