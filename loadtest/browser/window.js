// What the browser tests share: the browser, windows of an enrolled device, login, and what axe finds.
//
// What it works with comes as JSON in the file that GRINDVAKT_FACTS names:
//   url          where the gateway answers, https://localhost:PORT
//   certificate  the device's certificate and its key, PEM files
//   bundle       the same as a PKCS#12 file, and pass_phrase to open it
//   authority    the authority of the gateway's certificate, a PEM file
//   people       [{user, password, totp_secret}], four of them: a code is good once, so each logs in by one once
//   procedure    {applicant, approver, holder, admin}, each as one of people: who may do their step of the account procedure
//   life         {approver, holder, admin, clerk}, likewise, for the life of the account of somebody who has none yet
//   messages     a file of text messages, a form as it was sent on each line
//   year_later   the words of a command that makes the account of a user, its last word, almost a year older
//   emergency    {refused, reviewer}, each as one of people: who has no grant, and who reviews the accesses of their unit
//   lists        one of people: an account administrator; lists_finds: a name that one account has
//   patients     [{number, name}], at least two
//   screenshots  a folder for pictures
//   chromium     the browser's file
//   title        the title of the login page
//
// Playwright makes the TLS connection in this process when a client certificate is given, so the authority is trusted
// through NODE_EXTRA_CA_CERTS, and the certificate comes as PEM: Node forgets those authorities when it reads a PKCS#12
// file. That the file is good is a test of its own. Nothing is fetched from outside.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before } from 'node:test';
import { chromium } from 'playwright-core';

export const facts = JSON.parse(readFileSync(process.env.GRINDVAKT_FACTS, 'utf8'));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const swedish = { user: 'Användarnamn', password: 'Lösenord', code: 'Engångskod', submit: 'Logga in', failed: 'Det gick inte att logga in' };
export const english = { user: 'User name', password: 'Password', code: 'One-time code', submit: 'Log in', failed: 'You could not be logged in' };

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
export function oneTimeCode(secret, seconds = Date.now() / 1000) {
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
export async function openWindow(options = {}, enrolled = true) {
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

export async function logIn(page, person, words, { password = person.password } = {}) {
  await page.getByLabel(words.user).fill(person.user);
  await page.getByLabel(words.password).fill(password);
  await page.getByLabel(words.code).fill(oneTimeCode(person.totp_secret));
  await page.getByRole('button', { name: words.submit, exact: true }).click();
}

// What axe finds against WCAG 2.1 A and AA. Our pages forbid foreign scripts, so axe comes by the debugger's way. Its
// session ends with the window: to end one unplugs the window's virtual authenticator.
export async function accessibilityFaults(page) {
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
  return JSON.parse(text);
}

export async function picture(page, name) {
  await page.screenshot({ path: `${facts.screenshots}/${name}.png`, fullPage: true });
}

// From now on the page's requests ask for this language. Headers set for the page do not outdo the window's own.
export async function speak(page, language) {
  await page.unrouteAll();
  await page.route('**/*', (route) => route.continue({ headers: { ...route.request().headers(), 'accept-language': language } }));
}

// A page that can be asked for again, in both languages, at desk and at phone width.
export async function lookInBoth(page, name) {
  const size = page.viewportSize();
  for (const language of ['en', 'sv']) {
    await speak(page, language);
    await page.reload();
    assert.equal(await page.locator('html').getAttribute('lang'), language, name);
    for (const [width, height, where] of [[1280, 900, 'desk'], [360, 740, 'phone']]) {
      await page.setViewportSize({ width, height });
      assert.deepEqual(await accessibilityFaults(page), [], `${name} ${language} ${where}`);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(over, 0, `${name} ${language} ${where}: wider than the window`);
      await picture(page, `${name}-${language}-${where}`);
    }
  }
  await page.setViewportSize(size);
  await page.unrouteAll();
}

// An authenticator inside the browser, whose user is verified at once, or never; `replace` puts another in its place with the same
// passkeys, one that cannot verify anybody if so wished.
export async function plugIn(context, page) {
  const cdp = await context.newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const add = async (able) => (await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2', ctap2Version: 'ctap2_1', transport: able ? 'internal' : 'usb', hasResidentKey: true, hasUserVerification: able,
      isUserVerified: able, automaticPresenceSimulation: true,
    },
  })).authenticatorId;
  let authenticatorId = await add(true);
  const credentials = async () => (await cdp.send('WebAuthn.getCredentials', { authenticatorId })).credentials;
  const replace = async (able) => {
    const kept = await credentials();
    await cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId });
    authenticatorId = await add(able);
    for (const credential of kept) await cdp.send('WebAuthn.addCredential', { authenticatorId, credential });
  };
  const verify = (isUserVerified) => cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified });
  return { credentials, replace, verify };
}
