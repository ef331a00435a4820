// A form goes its way: written, submitted, approved or sent back in the region, forwarded for the registry, executed.

import { look } from '../desk.js';
import { decide, lookAt } from './people.js';

const words = {
  sv: {
    save: 'Spara utkastet', saved: 'Utkastet är sparat.', assured: /Jag försäkrar/, readWrite: 'Läs och skriv', closes: /är kontot ditt eget loggas du ut/,
    submit: ['Skicka in', 'Blanketten är inskickad.'], forward: ['Vidarebefordra', 'Blanketten är vidarebefordrad.'],
    execute: ['Verkställ', 'Blanketten är verkställd.'], approve: ['Godkänn', 'Blanketten är godkänd.'], back: ['Skicka tillbaka', 'Blanketten är tillbakaskickad.'],
    refuse: ['Avslå', 'Blanketten är avslagen.'],
  },
  en: {
    save: 'Save the draft', saved: 'The draft is saved.', assured: /I assure/, readWrite: 'Read and write', closes: /if the account is your own, you are logged out/,
    submit: ['Submit', 'The form is submitted.'], forward: ['Forward', 'The form is forwarded.'],
    execute: ['Execute', 'The form is executed.'], approve: ['Approve', 'The form is approved.'], back: ['Send back', 'The form is sent back.'],
    refuse: ['Refuse', 'The form is refused.'],
  },
};

// To the form that waits for somebody: a known one, else the newest.
async function toTheForm({ page }, form) {
  await page.goto('/admin/forms?queue=waiting');
  const links = page.locator('th[scope=row] a');
  await (form ? page.locator(`a[href="${form}"]`) : links.last()).click();
  await page.waitForURL(/\/admin\/forms\/[0-9a-f-]{36}/);
  return new URL(page.url()).pathname;
}

// The approver asks about it.
export async function sendBack(approver, why) {
  await toTheForm(approver);
  await approver.page.locator('form[action$="/return"] textarea').fill(why);
  await decide(approver, words[approver.language].back, 'return');
}

// The approver does not know whose it is.
export async function refuse(approver, why) {
  await toTheForm(approver);
  await approver.page.locator('form[action$="/refuse"] textarea').fill(why);
  await decide(approver, words[approver.language].refuse, 'refuse');
}

// By three people: who knows its user, who keeps the registry, who keeps accounts. `userName` is for an account that is made by it.
export async function goesItsWay({ approver, holder, admin }, name, userName) {
  const form = await toTheForm(approver);
  await lookAt(approver, `life-form-${name}`, form);
  await approver.page.locator('textarea[name=basis]').fill('Kollega sedan 2019');
  await decide(approver, words[approver.language].approve, `approve-${name}`);
  await toTheForm(holder, form);
  await decide(holder, words[holder.language].forward, `forward-${name}`);
  await toTheForm(admin, form);
  if (userName) await admin.page.locator('input[name=user_name]').fill(userName);
  await decide(admin, words[admin.language].execute, `execute-${name}`);
}

// Somebody writes one about their own account, and reads it through before it is submitted.
async function write(who, paper, fill) {
  const { page, language } = who;
  const told = words[language];
  await lookAt(who, `life-${paper}`, `/admin/forms/new/${paper}`);
  await page.locator('select[name=region]').selectOption('12');
  await page.locator('input[name=registry]').fill('exempelregistret');
  await fill(page, told);
  await page.locator('textarea[name=reason]').fill('Nya uppgifter');
  await page.getByRole('button', { name: told.save }).click();
  await page.getByRole('status').filter({ hasText: told.saved }).waitFor();
  await look(who, `life-draft-${paper}`);
  await page.getByLabel(told.assured).check();
}

// A right to write besides.
export async function askToWrite(who) {
  await write(who, 'change', (page, told) => page.getByLabel(told.readWrite, { exact: true }).check());
  await decide(who, words[who.language].submit, 'submit-change');
}

// They are told before that their account is closed at once: what comes then is the login.
export async function deregister(who) {
  await write(who, 'deregistration', async () => {});
  await who.page.getByText(words[who.language].closes).waitFor();
  await who.page.getByRole('button', { name: words[who.language].submit[0], exact: true }).click();
  await who.page.waitForURL('**/auth/login');
}
