// Not in the list of what is run yet: it has not run whole.
//
// The life of an account in a real Chromium, behind the real gateway, by five people: somebody without an account applies, mends what
// is sent back, gets two halves by letter and SMS, takes a passkey, works, gets another right, is reviewed, and is deregistered. Every
// page is looked at by axe at both widths. What has no page yet is asked of the interface: one function each, at the end.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { enter, look, windowIn } from './desk.js';
import { english, facts, oneTimeCode, plugIn, swedish } from './window.js';

const words = {
  sv: {
    login: swedish, apply: 'Ansök om ett konto', submitApplication: 'Skicka in ansökan', submitted: 'Ansökan är inskickad', wrong: 'Något behöver rättas',
    name: 'Namn', title: 'Titel/yrke', region: 'Region', unit: 'Klinik/enhet', unitHsa: 'Enhetens HSA-id', address: 'Arbetsadress', telephone: 'Telefon',
    mobile: /^Mobil/, registry: 'Register', read: 'Läs', readWrite: 'Läs och skriv', purpose: 'Ändamål', assured: /Jag försäkrar/,
    number: 'Ärendenummer', secret: 'Kod', open: 'Visa ansökan', mend: 'Skicka in igen', state: 'Din ansökan',
    id: 'Id', code: 'Kod', goOn: 'Fortsätt', accept: /säkerhetsinstruktion/, byPasskey: 'Använd en passkey', take: 'Skapa passkeyn och ta kontot i bruk',
    inUse: 'Ditt konto är i bruk', passkeyLogin: 'Logga in med passkey', refused: 'Det gick inte att logga in med den passkeyn',
    addName: 'Namn', add: 'Lägg till med engångskod', sign: 'Skriv under med passkey', none: 'Ingen passkey användes',
    save: 'Spara utkastet', reason: 'Skäl', after: 'Läs och skriv', saved: 'Utkastet är sparat.',
    submit: ['Skicka in', 'Blanketten är inskickad.'], forward: ['Vidarebefordra', 'Blanketten är vidarebefordrad.'],
    execute: ['Verkställ', 'Blanketten är verkställd.'], approve: ['Godkänn', 'Blanketten är godkänd.'], back: ['Skicka tillbaka', 'Blanketten är tillbakaskickad.'],
  },
  en: {
    login: english, apply: 'Apply for an account', submitApplication: 'Submit the application', submitted: 'The application is submitted', wrong: 'Something needs mending',
    name: 'Name', title: 'Title/profession', region: 'Region', unit: 'Clinic/unit', unitHsa: "The unit's HSA-id", address: 'Address at work', telephone: 'Telephone',
    mobile: /^Mobile/, registry: 'Registry', read: 'Read', readWrite: 'Read and write', purpose: 'Purpose', assured: /I assure/,
    number: 'Case number', secret: 'Code', open: 'Show the application', mend: 'Submit again', state: 'Your application',
    id: 'Id', code: 'Code', goOn: 'Go on', accept: /security instructions/, byPasskey: 'Use a passkey', take: 'Make the passkey and take the account into use',
    inUse: 'Your account is in use', passkeyLogin: 'Log in with a passkey', refused: 'You could not be logged in with that passkey',
    addName: 'Name', add: 'Add with a one-time code', sign: 'Sign with a passkey', none: 'No passkey was used',
    save: 'Save the draft', reason: 'Reason', after: 'Read and write', saved: 'The draft is saved.',
    submit: ['Submit', 'The form is submitted.'], forward: ['Forward', 'The form is forwarded.'],
    execute: ['Execute', 'The form is executed.'], approve: ['Approve', 'The form is approved.'], back: ['Send back', 'The form is sent back.'],
  },
};
const newcomer = { name: 'Nina Nykomling', hsa: 'SE0000000000-P021', user: 'nina' };
const patient = facts.patients[0].number;

// A page that can be asked for again, in both languages; who looks stays with the first.
async function lookAt(who, name, path) {
  const first = who.language;
  for (const language of [first === 'sv' ? 'en' : 'sv', first]) {
    await who.page.goto(`${path}?lang=${language}`);
    who.language = language;
    await look(who, name);
  }
}

// Somebody who logs in by password and code once, and takes a passkey to sign with.
async function come(person, language) {
  const who = await enter(person, language, words[language].login);
  who.device = await plugIn(who.context, who.page);
  await who.page.goto('/auth/passkeys');
  await who.page.getByLabel(words[language].addName, { exact: true }).last().fill('Test');
  await who.page.locator('#code').fill(oneTimeCode(person.totp_secret, Date.now() / 1000 + 30));
  await who.page.getByRole('button', { name: words[language].add }).click();
  await who.page.getByRole('heading', { name: 'Test' }).waitFor();
  return who;
}

// Presses a button; if a second factor is asked for, it is a passkey.
async function decide(who, [button, done], name) {
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

async function fillApplication({ page, language }, { name, hsa }) {
  const told = words[language];
  await page.getByLabel(told.name, { exact: true }).fill(name);
  await page.getByLabel('HSA-id', { exact: true }).fill(hsa);
  await page.getByLabel(told.title, { exact: true }).fill('Sjuksköterska');
  await page.getByLabel(told.region, { exact: true }).selectOption('12');
  await page.getByLabel(told.unit, { exact: true }).fill('Ortopedkliniken');
  await page.getByLabel(told.unitHsa).fill('SE0000000000-U001');
  await page.getByLabel(told.address).fill('Barngatan 4\n221 00 Lund');
  await page.getByLabel(told.telephone, { exact: true }).fill('046-10 00 00');
  await page.getByLabel(told.mobile).fill('070-174 06 05');
  await page.getByLabel(told.registry, { exact: true }).fill('exempelregistret');
  await page.getByLabel(told.read, { exact: true }).check();
  await page.getByLabel(told.purpose).fill('Registrering');
}

// Somebody applies on an enrolled device. What is shown once: number and code of the case.
async function apply(who, person) {
  const { page } = who;
  await page.goto(`/auth/login?lang=${who.language}`);
  await look(who, 'life-login');
  await page.getByRole('link', { name: words[who.language].apply }).click();
  await lookAt(who, 'life-apply', '/auth/apply');
  const told = words[who.language];
  await page.getByRole('button', { name: told.submitApplication }).click();
  await page.getByRole('alert').filter({ hasText: told.wrong }).waitFor();
  await look(who, 'life-apply-wrong');
  await fillApplication(who, person);
  await page.getByLabel(told.assured).check();
  await page.getByRole('button', { name: told.submitApplication }).click();
  await page.getByRole('heading', { level: 1, name: told.submitted }).waitFor();
  await look(who, 'life-apply-done');
  return { number: await page.locator('#case-number').innerText(), secret: await page.locator('#case-secret').innerText() };
}

// Where the application stands, by number and code.
async function openCase(who, { number, secret }) {
  const { page } = who;
  await lookAt(who, 'life-case', '/auth/apply/case');
  const told = words[who.language];
  await page.getByLabel(told.number).fill(number);
  await page.getByLabel(told.secret, { exact: true }).fill('0000-0000-0000-0000');
  await page.getByRole('button', { name: told.open }).click();
  await page.getByRole('alert').waitFor();
  await look(who, 'life-case-wrong');
  await page.getByLabel(told.secret, { exact: true }).fill(secret);
  await page.getByRole('button', { name: told.open }).click();
}

// To the one form that waits for somebody.
async function toTheForm(who) {
  await who.page.goto('/admin/forms?queue=waiting');
  await who.page.locator('th[scope=row] a').first().click();
  await who.page.waitForURL(/\/admin\/forms\/[0-9a-f-]{36}/);
}

async function goesItsWay({ approver, holder, admin }, name, userName) {
  await toTheForm(approver);
  await look(approver, `life-form-${name}`);
  await approver.page.locator('textarea[name=basis]').fill('Kollega sedan 2019');
  await decide(approver, words[approver.language].approve, `approve-${name}`);
  await toTheForm(holder);
  await decide(holder, words[holder.language].forward, `forward-${name}`);
  await toTheForm(admin);
  if (userName) await admin.page.locator('input[name=user_name]').fill(userName);
  await decide(admin, words[admin.language].execute, `execute-${name}`);
}

// Both halves, the security instructions, and a passkey as the first login.
async function collect(who, { id, code }) {
  const { page } = who;
  await lookAt(who, 'life-collect', '/auth/collect');
  const told = words[who.language];
  await page.getByLabel(told.id, { exact: true }).fill(id);
  await page.getByLabel(told.code, { exact: true }).fill(code);
  await page.getByRole('button', { name: told.goOn }).click();
  await page.getByRole('link', { name: told.byPasskey }).waitFor();
  await lookAt(who, 'life-collect-own', '/auth/collect');
  await page.getByRole('link', { name: told.byPasskey }).click();
  await page.getByRole('button', { name: told.take }).waitFor();
  await lookAt(who, 'life-collect-passkey', '/auth/collect/passkey');
  await page.getByLabel(told.accept).check();
  await page.getByRole('button', { name: told.take }).click();
  await page.getByRole('heading', { level: 1, name: told.inUse }).waitFor();
  await lookAt(who, 'life-collect-done', '/auth/collect/done');
  assert.equal((await who.device.credentials()).length, 1);
}

async function logInByPasskey(who) {
  await who.page.goto(`/auth/login?lang=${who.language}`);
  await who.page.getByRole('button', { name: words[who.language].passkeyLogin }).click();
}

// A note about the patient: it needs the right to write.
async function note({ page }) {
  const read = await page.goto(`/patients/${patient}`);
  assert.equal(read.status(), 200);
  return page.evaluate(async (path) => {
    const body = new URLSearchParams({ text: 'Kontroll' });
    return (await fetch(path, { method: 'POST', body, redirect: 'manual' })).status;
  }, `/patients/${patient}/notes`);
}

async function writeForm(who, paper, fill) {
  const { page } = who;
  await lookAt(who, `life-${paper}`, `/admin/forms/new/${paper}`);
  await page.locator('select[name=region]').selectOption('12');
  await page.locator('input[name=registry]').fill('exempelregistret');
  await fill(page, words[who.language]);
  await page.locator('textarea[name=reason]').fill('Nya uppgifter');
  await page.getByRole('button', { name: words[who.language].save }).click();
  await page.getByRole('status').filter({ hasText: words[who.language].saved }).waitFor();
  await page.getByLabel(words[who.language].assured).check();
  await decide(who, words[who.language].submit, `submit-${paper}`);
}

test('an account lives from its application to its end, by five people', async () => {
  const { life } = facts;
  const nina = { ...(await windowIn('sv')), language: 'sv' };
  nina.device = await plugIn(nina.context, nina.page);
  const staff = {
    approver: await come(life.approver, 'en'), holder: await come(life.holder, 'sv'), admin: await come(life.admin, 'en'),
  };
  const clerk = await enter(life.clerk, 'sv', words.sv.login);

  // Applied for, sent back, mended, and on its way.
  const kept = await apply(nina, newcomer);
  await toTheForm(staff.approver);
  await staff.approver.page.locator('form[action$="/return"] textarea').fill('Vilken klinik?');
  await decide(staff.approver, words.en.back, 'return');
  await openCase(nina, kept);
  await nina.page.getByText('Vilken klinik?').waitFor();
  await lookAt(nina, 'life-mend', '/auth/apply/case');
  await nina.page.getByLabel(words.sv.unit, { exact: true }).fill('Handkliniken');
  await nina.page.getByLabel(words.sv.assured).check();
  await nina.page.getByRole('button', { name: words.sv.mend }).click();
  await nina.page.getByRole('heading', { level: 1, name: words.sv.state }).waitFor();
  await lookAt(nina, 'life-case-state', '/auth/apply/case');
  await goesItsWay(staff, 'application', newcomer.user);

  const account = await accountOf(staff.admin, newcomer.user);
  const halves = await handOut(clerk, life.clerk, account);
  await collect(nina, halves);
  await logInByPasskey(nina);
  await nina.page.waitForURL((url) => url.pathname === '/');

  // Work, and a right to write.
  assert.equal(await note(nina), 403, 'reading is all that was asked for');
  await writeForm(nina, 'change', (page, told) => page.getByLabel(told.after, { exact: true }).check());
  await goesItsWay(staff, 'change');
  assert.notEqual(await note(nina), 403);
  await review(staff.approver, account);

  // The end: at once, whatever follows on paper.
  await writeForm(nina, 'deregistration', async () => {}).catch((error) => {
    // The account is closed before the page that says so is shown: then that is the login.
    if (!/\/auth\/login/.test(nina.page.url())) throw error;
  });
  await nina.page.goto('/admin');
  await nina.page.waitForURL('**/auth/login');
  await logInByPasskey(nina);
  await nina.page.getByRole('alert').filter({ hasText: words.sv.refused }).waitFor();
  await look(nina, 'life-refused');

  const { origin } = new URL(facts.url);
  for (const { context, requested, wrong } of [nina, clerk, ...Object.values(staff)]) {
    assert.deepEqual(requested.filter((url) => !url.startsWith(origin)), [], 'nothing comes from elsewhere');
    assert.deepEqual(wrong.filter((line) => !/status of 4\d\d/.test(line)), []);
    for (const url of requested) {
      for (const typed of [kept.number, kept.secret, halves.id, halves.code, newcomer.hsa, 'Barngatan']) {
        assert.ok(!url.includes(typed), 'nothing typed is in an address');
      }
    }
    await context.close();
  }
});

// What has no page yet.

// Asks the interface as a page of ours would: from one that may run scripts.
async function ask({ page }, path, body) {
  await page.goto('/auth/passkeys');
  const answer = await page.evaluate(async ([path, body]) => {
    const response = await fetch(`/admin/api/v1${path}`, {
      method: body ? 'POST' : 'GET', headers: { 'content-type': 'application/json' }, body: body && JSON.stringify(body),
    });
    const bytes = new Uint8Array(await response.arrayBuffer());
    return { status: response.status, text: Array.from(bytes, (byte) => String.fromCharCode(byte)).join('') };
  }, [path, body]);
  assert.ok(answer.status < 300, `${path}: ${answer.status} ${answer.text.slice(0, 300)}`);
  return answer.text;
}

// The account with a user name, as an account administrator finds it.
async function accountOf(who, user) {
  const { accounts } = JSON.parse(await ask(who, '/accounts/search', { text: user }));
  return accounts[0].id;
}

// Two halves: the id on paper, the code by SMS as soon as the letter is posted.
async function handOut(who, person, account) {
  await ask(who, '/step-up', { code: oneTimeCode(person.totp_secret, Date.now() / 1000 + 30) });
  const { id } = JSON.parse(await ask(who, '/handouts', { account, id_by: 'letter', code_by: 'sms' }));
  const letter = await ask(who, `/handouts/${id}/letter`, { half: 'id' });
  await ask(who, `/handouts/${id}/posted`, { half: 'id' });
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

async function codeSent() {
  for (const until = Date.now() + 60_000; Date.now() < until; await pause(200)) {
    const line = readFileSync(facts.messages, 'utf8').split('\n').find((text) => text);
    if (!line) continue;
    const message = new URLSearchParams(line);
    assert.equal(message.get('to'), '+46701740605');
    return message.get('message').match(/[0-9A-Z]{4}-[0-9A-Z]{4}/)[0];
  }
  return assert.fail('no text message has come');
}

// The year's review: the approver confirms that the account is still needed.
async function review(who, account) {
  await ask(who, `/accounts/${account}/confirm`, { region: '12' });
}
