// The pages of accounts, credentials, devices, sessions and tables, visited as those whose duty they are. Each is looked at in the
// language that the window has; what is typed wrong stays.

import assert from 'node:assert/strict';
import { button, offer, press } from './desk.js';
import { facts } from './window.js';

const words = {
  sv: {
    search: 'Sök', show: 'Visa', user: 'Användarnamn', duty: 'Uppdrag',
    give: 'Ge ett uppdrag', issue: 'Ge en ny andra faktor', called: /Jag har ringt upp/, by: 'Telefon', printed: 'utskrivet, inte postat', block: 'Spärra kontot',
    posted: 'Brevet är postat (Id)', number: 'Visa telefonnumret (Kod)', read: 'Läs upp halvan (Kod)', print: 'Skriv ut brevet (Id)', made: 'Inloggningsuppgifterna är gjorda.',
    enrol: 'Gör en engångskod', once: 'Det här visas bara en gång', name: 'Enhetens namn', try: 'Prova', bring: 'Läs in', table: 'Tabellen, i stället för en fil (frivilligt)',
    units: 'Vårdenheter', faults: 'Fel i tabellen', tried: 'Tabellen går att läsa in', revoke: 'Återkalla enheten',
  },
  en: {
    search: 'Search', show: 'Show', user: 'User name', duty: 'Duty',
    give: 'Give a duty', issue: 'Give a new second factor', called: /I have called the person/, by: 'Telephone', printed: 'printed, not posted', block: 'Block the account',
    posted: 'The letter is posted (Id)', number: 'Show the telephone number (Code)', read: 'Read the half out (Code)', print: 'Print the letter (Id)', made: 'The credentials are made.',
    enrol: 'Make a one-time code', once: 'This is shown once', name: "The device's name", try: 'Try', bring: 'Bring in', table: 'The table, instead of a file (optional)',
    units: 'Units', faults: 'Mistakes in the table', tried: 'The table can be brought in', revoke: 'Revoke the device',
  },
};

async function accounts(admin, look) {
  const { page } = admin;
  const told = words[admin.language];
  await page.goto('/admin/accounts');
  await look(admin, 'accounts');
  await page.getByLabel(told.search).fill('frida');
  await button(admin, told.show).click();
  const found = page.getByRole('link', { name: 'Frida Sökande' });
  await found.waitFor();
  assert.doesNotMatch(page.url(), /frida/i, 'a name is in no address');
  await look(admin, 'accounts-found');
  await found.click();
  await page.getByRole('heading', { level: 1, name: 'Frida Sökande' }).waitFor();
  await look(admin, 'account');
  await press(admin, button(admin, told.block));
  await page.getByRole('alert').waitFor();
  await look(admin, 'account-wrong');
}

// From the account's page to its credentials, printed and read out.
async function credentials(admin, look) {
  const { page } = admin;
  const told = words[admin.language];
  const issue = offer(admin, told.issue);
  await issue.getByLabel(told.called).check();
  await issue.getByLabel(told.by).last().check();
  await press(admin, button(admin, told.issue));
  await page.getByRole('status').filter({ hasText: told.made }).waitFor();
  await look(admin, 'handout');
  const here = page.url();
  const download = page.waitForEvent('download');
  await button(admin, told.print).click();
  assert.equal((await download).suggestedFilename(), 'letter.pdf');
  await page.goto(here);
  await page.getByText(told.printed).waitFor();
  await press(admin, button(admin, told.posted));
  await press(admin, button(admin, told.number));
  await page.getByText('046-10 00 00').waitFor();
  await look(admin, 'handout-number');
  await press(admin, button(admin, told.read));
  await page.getByRole('alert').waitFor();
  await look(admin, 'handout-wrong');
  await page.goto('/admin/handouts');
  await look(admin, 'handouts');
  await page.goto('/admin/handouts?state=expired');
  await look(admin, 'handouts-none');
}

async function tables(admin, look) {
  const { page } = admin;
  const told = words[admin.language];
  await page.goto('/admin/imports');
  await look(admin, 'imports');
  await page.getByLabel(told.units, { exact: true }).check();
  await page.getByLabel(told.table).fill('hsa;name;provider_hsa;valid_from;valid_to\nx;Kliniken;y;2026-01-01;');
  await press(admin, button(admin, told.try));
  await page.getByRole('heading', { name: told.faults }).waitFor();
  await look(admin, 'imports-wrong');
  await page.getByLabel(told.table).fill('hsa;name;provider_hsa;valid_from;valid_to\nSE0000000000-U991;Kliniken;SE0000000000-V991;2026-01-01;');
  await press(admin, button(admin, told.try));
  await page.getByRole('heading', { level: 1, name: told.tried }).waitFor();
  await look(admin, 'imports-tried');
}

async function devices(keeper, look) {
  const { page } = keeper;
  const told = words[keeper.language];
  await page.goto('/admin');
  await look(keeper, 'start-devices');
  await page.goto('/admin/devices?state=active');
  await look(keeper, 'devices');
  await page.locator('tbody a').first().click();
  await button(keeper, told.revoke).waitFor();
  await look(keeper, 'device');
  await press(keeper, button(keeper, told.revoke));
  await page.getByRole('alert').waitFor();
  await look(keeper, 'device-wrong');
  await page.goto('/admin/devices/new');
  await look(keeper, 'device-new');
  await press(keeper, button(keeper, told.enrol));
  await page.getByRole('alert').waitFor();
  await look(keeper, 'device-new-wrong');
  const code = offer(keeper, told.enrol);
  await code.getByRole('combobox').selectOption({ index: 1 });
  await code.getByLabel(told.name).fill(`Avdelning 3 ${keeper.language}`);
  await press(keeper, button(keeper, told.enrol));
  await page.getByText(told.once).waitFor();
  await look(keeper, 'device-code');
  await page.goto('/admin/devices/codes');
  await look(keeper, 'device-codes');
  await page.goto('/admin/devices/organisations');
  await look(keeper, 'organisations');
}

// Who keeps devices here is appointed on the page that there is for it.
export async function appointKeeper(admin) {
  const { page } = admin;
  const told = words[admin.language];
  await page.goto('/admin/appointments/new');
  await page.getByLabel(told.user).fill(facts.procedure.holder.user);
  await page.getByLabel(told.duty, { exact: true }).selectOption('device_admin');
  await press(admin, button(admin, told.give));
  await page.getByRole('status').waitFor();
}

// All of them, by people whose windows have the same language.
export async function visit({ admin, approver, keeper }, look) {
  await accounts(admin, look);
  await credentials(admin, look);
  await tables(admin, look);
  await devices(keeper, look);
  for (const [who, name, path] of [
    [admin, 'sessions', '/admin/sessions'], [admin, 'account-own', `/admin/accounts/${facts.procedure.admin.account}`],
    [approver, 'reviews', '/admin/reviews'], [admin, 'not-theirs', '/admin/devices'], [approver, 'accounts-approver', '/admin/accounts'],
  ]) {
    assert.doesNotMatch(path, /undefined/, name);
    await who.page.goto(path);
    await look(who, name);
  }
}
