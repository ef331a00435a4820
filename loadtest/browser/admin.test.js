// The account procedure in a real Chromium, behind the real gateway, as four people: apply, approve, forward, execute. Twice, so
// that each of them sees their pages in both languages; every page at desk and at phone width. The forms need no script, and
// there is none.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { enter, look, turn } from './desk.js';
import { appointKeeper, visit } from './pages.js';
import { english, facts, oneTimeCode, swedish } from './window.js';

const words = {
  sv: {
    login: swedish, start: 'Administration', apply: 'Ansök om behörighet', save: 'Spara utkastet', saved: 'Utkastet är sparat.',
    purpose: 'Ändamål', wrong: 'Något behöver rättas', assured: /Jag försäkrar/, sign: 'Skriv under', code: 'Engångskod', waiting: 'Väntar på dig',
    application: 'Ansökan (blankett 1)', known: 'Hur känner du personen?', right: 'Läs och skriv', duties: 'Uppdrag',
    submit: ['Skicka in', 'Blanketten är inskickad.'], approve: ['Godkänn', 'Blanketten är godkänd.'],
    forward: ['Vidarebefordra', 'Blanketten är vidarebefordrad.'], execute: ['Verkställ', 'Blanketten är verkställd.'],
    queues: { approve: 'Att pröva för regionen', forward: 'Att vidarebefordra för registret', execute: 'Att verkställa' },
    name: 'Namn', title: 'Titel/yrke', region: 'Region', unit: 'Klinik/enhet', unitHsa: 'Enhetens HSA-id', address: 'Arbetsadress', telephone: 'Telefon',
    registry: 'Register', give: 'Ge ett uppdrag',
  },
  en: {
    login: english, start: 'Administration', apply: 'Apply for a right', save: 'Save the draft', saved: 'The draft is saved.',
    purpose: 'Purpose', wrong: 'Something needs mending', assured: /I assure/, sign: 'Sign', code: 'One-time code', waiting: 'Waiting for you',
    application: 'Application (form 1)', known: 'How do you know the person?', right: 'Read and write', duties: 'Duties',
    submit: ['Submit', 'The form is submitted.'], approve: ['Approve', 'The form is approved.'],
    forward: ['Forward', 'The form is forwarded.'], execute: ['Execute', 'The form is executed.'],
    queues: { approve: 'To decide on for the region', forward: 'To forward for the registry', execute: 'To execute' },
    name: 'Name', title: 'Title/profession', region: 'Region', unit: 'Clinic/unit', unitHsa: "The unit's HSA-id", address: 'Address at work', telephone: 'Telephone',
    registry: 'Registry', give: 'Give a duty',
  },
};
const come = (person, language) => enter(person, language, words[language].login);

// Presses a button, and shows a second factor if that is asked for: once for all that somebody does here.
async function decide(who, [button, done], deed) {
  const { page } = who;
  const told = words[who.language];
  await page.getByRole('button', { name: button, exact: true }).click();
  if (!who.signed) {
    await page.getByRole('heading', { level: 1, name: told.sign }).waitFor();
    await look(who, `admin-step-up-${deed}`);
    await page.getByLabel(told.code).fill('000000');
    await page.getByRole('button', { name: told.sign }).click();
    await page.getByRole('alert').waitFor();
    await look(who, `admin-step-up-wrong-${deed}`);
    // That of this half minute was the login's.
    await page.getByLabel(told.code).fill(oneTimeCode(who.person.totp_secret, Date.now() / 1000 + 30));
    await page.getByRole('button', { name: told.sign }).click();
    who.signed = true;
  }
  await page.getByRole('status').filter({ hasText: done }).waitFor();
  await look(who, `admin-done-${deed}`);
}

async function apply(who) {
  const { page } = who;
  const told = words[who.language];
  await page.goto('/admin');
  await look(who, 'admin-start-applicant');
  await page.getByRole('link', { name: told.apply }).click();
  await look(who, 'admin-application');
  await page.getByLabel(told.purpose).fill('Registrering');
  await page.getByRole('button', { name: told.save }).click();
  const alert = page.getByRole('alert');
  await alert.filter({ hasText: told.wrong }).waitFor();
  await look(who, 'admin-application-wrong');
  assert.equal(await page.getByLabel(told.purpose).inputValue(), 'Registrering', 'what was typed stays');
  await alert.getByRole('link').first().click();
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-invalid')), 'true', 'a message leads to its field');
  await page.getByLabel(told.region, { exact: true }).selectOption('12');
  await page.getByLabel(told.unit, { exact: true }).fill('Ortopedkliniken');
  await page.getByLabel(told.unitHsa).fill('SE0000000000-U001');
  await page.getByLabel(told.address).fill('Barngatan 4\n221 00 Lund');
  await page.getByLabel(told.telephone, { exact: true }).fill('046-10 00 00');
  await page.getByLabel(told.registry, { exact: true }).fill('exempelregistret');
  await page.getByLabel(told.right, { exact: true }).check();
  await page.getByRole('button', { name: told.save }).click();
  await page.getByRole('status').filter({ hasText: told.saved }).waitFor();
  await look(who, 'admin-draft');
  await page.getByLabel(told.assured).check();
  await decide(who, told.submit, 'submit');
  return new URL(page.url()).pathname;
}

// From the start page over the queue to the form, as somebody whose turn it is goes.
async function toTheForm(who, deed, form) {
  const { page } = who;
  const told = words[who.language];
  await page.goto('/admin');
  await look(who, `admin-start-${deed}`);
  await page.getByRole('link', { name: told.queues[deed] }).click();
  await look(who, `admin-queue-${deed}`);
  await page.locator(`a[href="${form}"]`).click();
  await page.getByRole('heading', { level: 1, name: told.application }).waitFor();
  await look(who, `admin-form-${deed}`);
}

async function goesItsWay({ applicant, approver, holder, admin }) {
  const form = await apply(applicant);
  await toTheForm(approver, 'approve', form);
  await approver.page.getByLabel(words[approver.language].known).fill('Kollega sedan 2019');
  await decide(approver, words[approver.language].approve, 'approve');
  await toTheForm(holder, 'forward', form);
  await decide(holder, words[holder.language].forward, 'forward');
  await toTheForm(admin, 'execute', form);
  await decide(admin, words[admin.language].execute, 'execute');
}

test('an application goes its way by four people, in both languages and at both widths', async () => {
  const { procedure } = facts;
  const people = {
    applicant: await come(procedure.applicant, 'sv'),
    approver: await come(procedure.approver, 'en'),
    holder: await come(procedure.holder, 'sv'),
    admin: await come(procedure.admin, 'en'),
  };
  await goesItsWay(people);
  for (const who of Object.values(people)) await turn(who);
  await goesItsWay(people);

  const { admin, applicant, approver, holder } = people;
  await appointKeeper(admin);
  for (const language of ['sv', 'en']) {
    for (const who of [admin, applicant, approver, holder]) if (who.language !== language) await turn(who);
    await visit({ admin, approver, keeper: holder }, look);
    await admin.page.goto('/admin/appointments?ended=true');
    await look(admin, 'admin-appointments');
    await admin.page.goto('/admin/appointments/new');
    await look(admin, 'admin-appointment-new');
    await admin.page.getByRole('button', { name: words[language].give }).click();
    await admin.page.getByRole('alert').waitFor();
    await look(admin, 'admin-appointment-wrong');
    await admin.page.goto('/admin/appointments');
    await admin.page.locator('a[href$="/end"]').first().click();
    await look(admin, 'admin-appointment-end');
    for (const [name, path] of [
      ['change', '/admin/forms/new/change'], ['deregistration', '/admin/forms/new/deregistration'], ['forms', '/admin/forms?queue=mine'],
      ['own-duties', '/admin/appointments'], ['nothing', '/admin/nothing'], ['not-appointed', '/admin/appointments/new'],
    ]) {
      await applicant.page.goto(path);
      await look(applicant, `admin-${name}`);
    }
  }
  const { origin } = new URL(facts.url);
  for (const { context, requested, wrong } of Object.values(people)) {
    assert.deepEqual(requested.filter((url) => !url.startsWith(origin)), [], 'nothing comes from elsewhere');
    // Chromium itself tells of the refusals' status in its console; nothing else may be there.
    // A letter is kept as a file, which ends the request for a page.
    assert.deepEqual(wrong.filter((line) => !/status of 4\d\d|\/letter net::ERR_ABORTED/.test(line)), []);
    for (const url of requested) assert.doesNotMatch(url, /Kollega|Barngatan|000000/, 'nothing typed is in an address');
    await context.close();
  }
});
