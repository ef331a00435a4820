// Somebody without an account applies on an enrolled device, and mends what is sent back by the number and the code of the case.

import { look } from '../desk.js';
import { inBoth, lookAt } from './people.js';

const words = {
  sv: {
    apply: 'Ansök om ett konto', submit: 'Skicka in ansökan', submitted: 'Ansökan är inskickad', wrong: 'Något behöver rättas',
    name: 'Namn', personal: 'Personnummer eller samordningsnummer', title: 'Titel/yrke', region: 'Region', unit: 'Klinik/enhet', unitHsa: 'Enhetens HSA-id', address: 'Arbetsadress', telephone: 'Telefon',
    mobile: /^Mobil/, registry: 'Register', read: 'Läs', purpose: 'Ändamål', assured: /Jag försäkrar/,
    number: 'Ärendenummer', secret: 'Kod', open: 'Visa ansökan', mend: 'Skicka in igen', state: 'Din ansökan',
  },
  en: {
    apply: 'Apply for an account', submit: 'Submit the application', submitted: 'The application is submitted', wrong: 'Something needs mending',
    name: 'Name', personal: 'Personal identity number or coordination number', title: 'Title/profession', region: 'Region', unit: 'Clinic/unit', unitHsa: "The unit's HSA-id", address: 'Address at work', telephone: 'Telephone',
    mobile: /^Mobile/, registry: 'Registry', read: 'Read', purpose: 'Purpose', assured: /I assure/,
    number: 'Case number', secret: 'Code', open: 'Show the application', mend: 'Submit again', state: 'Your application',
  },
};

async function fillIn({ page, language }, { name, hsa }) {
  const told = words[language];
  await page.getByLabel(told.name, { exact: true }).fill(name);
  await page.getByLabel(told.personal, { exact: true }).fill('19121212-1212');
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

// From the login to the empty form, and what is said of it.
export async function lookAtApplication(who) {
  const { page } = who;
  await lookAt(who, 'life-login', '/auth/login');
  await page.getByRole('link', { name: words[who.language].apply }).click();
  await lookAt(who, 'life-apply', '/auth/apply');
  await inBoth(who, '/auth/apply', async () => {
    await page.getByRole('button', { name: words[who.language].submit }).click();
    await page.getByRole('alert').filter({ hasText: words[who.language].wrong }).waitFor();
    await look(who, 'life-apply-wrong');
  });
}

// What is shown once: number and code of the case.
export async function apply(who, person) {
  const { page, language } = who;
  const told = words[language];
  await page.goto(`/auth/apply?lang=${language}`);
  await fillIn(who, person);
  await page.getByLabel(told.assured).check();
  await page.getByRole('button', { name: told.submit }).click();
  await page.getByRole('heading', { level: 1, name: told.submitted }).waitFor();
  await look(who, 'life-apply-done');
  return { number: await page.locator('#case-number').innerText(), secret: await page.locator('#case-secret').innerText() };
}

// The page that asks for the case, and what it says to who does not know its code.
export async function lookAtCase(who, { number }) {
  await lookAt(who, 'life-case', '/auth/apply/case');
  await inBoth(who, '/auth/apply/case', async () => {
    await fillInCase(who, { number, secret: '0000-0000-0000-0000' });
    await who.page.getByRole('alert').waitFor();
    await look(who, 'life-case-wrong');
  });
}

async function fillInCase({ page, language }, { number, secret }) {
  const told = words[language];
  await page.getByLabel(told.number).fill(number);
  await page.getByLabel(told.secret, { exact: true }).fill(secret);
  await page.getByRole('button', { name: told.open }).click();
}

// Opens the case: it is sent back, or refused, and says why.
async function open(who, kept, why) {
  await who.page.goto(`/auth/apply/case?lang=${who.language}`);
  await fillInCase(who, kept);
  await who.page.getByText(why).waitFor();
}

// Mends what the approver asked about, and sees where it stands then.
export async function mend(who, kept, asked) {
  const { page } = who;
  await open(who, kept, asked);
  await lookAt(who, 'life-mend', '/auth/apply/case');
  const told = words[who.language];
  await page.getByLabel(told.unit, { exact: true }).fill('Handkliniken');
  await page.getByLabel(told.assured).check();
  await page.getByRole('button', { name: told.mend }).click();
  await page.getByRole('heading', { level: 1, name: told.state }).waitFor();
  await lookAt(who, 'life-case-state', '/auth/apply/case');
}

// Sees that it is refused, and why.
export async function seeRefused(who, kept, why) {
  await open(who, kept, why);
  await lookAt(who, 'life-case-refused', '/auth/apply/case');
}
