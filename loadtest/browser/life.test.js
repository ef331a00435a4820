// The life of an account in a real Chromium, behind the real gateway, by five people: somebody without an account applies, mends what
// is sent back, gets two halves by letter and SMS, takes a passkey, works, gets another right, is confirmed at the year's review, and
// is deregistered. A sixth applies whom nobody knows. All of it by the pages that there are; each is looked at by axe at both widths.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { look, turn, windowIn } from './desk.js';
import { apply, lookAtApplication, lookAtCase, mend, seeRefused } from './life/apply.js';
import { collect, handOut, logInByPasskey, toTheAccount } from './life/collect.js';
import { askToWrite, deregister, goesItsWay, refuse, sendBack } from './life/forms.js';
import { come, comeWithPasskey, inBoth } from './life/people.js';
import { review } from './life/review.js';
import { facts, plugIn } from './window.js';

const newcomer = { name: 'Nina Nykomling', hsa: 'SE0000000000-P021', user: 'nina' };
const stranger = { name: 'Otto Okänd', hsa: 'SE0000000000-P026' };
const patient = `/patients/${facts.patients[0].number}`;
const refused = { sv: 'Det gick inte att logga in med den passkeyn', en: 'You could not be logged in with that passkey' };
const closed = { sv: 'Avregistrerat', en: 'Deregistered' };

// Reads the patient and adds a note. How that was answered: it needs the right to write.
async function work({ page }) {
  const read = await page.goto(patient);
  assert.equal(read.status(), 200);
  await page.getByLabel('Ny anteckning').fill('Kontroll om tre månader');
  const answer = page.waitForResponse((response) => response.request().method() === 'POST');
  await page.getByRole('button', { name: 'Spara' }).click();
  return (await answer).status();
}

test('an account lives from its application to its end, by five people', async () => {
  const { life } = facts;
  const nina = { ...(await windowIn('sv')), language: 'sv' };
  nina.device = await plugIn(nina.context, nina.page);
  const staff = {
    approver: await comeWithPasskey(life.approver, 'en'),
    holder: await comeWithPasskey(life.holder, 'sv'),
    admin: await comeWithPasskey(life.admin, 'en'),
  };
  const clerk = await come(life.clerk, 'sv');

  // Applied for, sent back, mended, and on its way.
  await lookAtApplication(nina);
  const kept = await apply(nina, newcomer);
  await sendBack(staff.approver, 'Vilken klinik?');
  await lookAtCase(nina, kept);
  await mend(nina, kept, 'Vilken klinik?');
  await goesItsWay(staff, 'application', newcomer.user);

  // Another's application is refused.
  const otto = { ...(await windowIn('en')), language: 'en' };
  const refusedCase = await apply(otto, stranger);
  await refuse(staff.approver, 'Ingen på kliniken känner Otto');
  await seeRefused(otto, refusedCase, 'Ingen på kliniken känner Otto');

  // Handed out in two halves, and taken into use.
  const halves = await handOut(clerk, newcomer.name);
  await collect(nina, halves);
  await logInByPasskey(nina);
  await nina.page.waitForURL((url) => url.pathname === '/');

  // Work, and a right to write. From here on everybody's pages are in their other language.
  assert.equal(await work(nina), 403, 'reading is all that was asked for');
  await look(nina, 'life-may-not-write');
  for (const who of [nina, ...Object.values(staff)]) await turn(who);
  await askToWrite(nina);
  assert.equal(await work(nina), 403, 'what widens is in force when it is executed');
  await goesItsWay(staff, 'change');
  assert.equal(await work(nina), 303);
  await nina.page.getByText('Kontroll om tre månader').waitFor();
  await review(staff.approver, newcomer);

  // The end: at once, whatever follows on paper.
  await deregister(nina);
  await nina.page.goto(patient);
  await nina.page.waitForURL('**/auth/login');
  await inBoth(nina, '/auth/login', async () => {
    await logInByPasskey(nina);
    await nina.page.getByRole('alert').filter({ hasText: refused[nina.language] }).waitFor();
    await look(nina, 'life-refused');
  });
  await goesItsWay(staff, 'deregistration');
  await toTheAccount(clerk, newcomer.name);
  await clerk.page.getByText(closed[clerk.language], { exact: true }).waitFor();
  await look(clerk, 'life-account-closed');

  const { origin } = new URL(facts.url);
  for (const { context, requested, wrong } of [nina, otto, clerk, ...Object.values(staff)]) {
    assert.deepEqual(requested.filter((url) => !url.startsWith(origin)), [], 'nothing comes from elsewhere');
    // Chromium itself tells of the refusals' status in its console; a letter is kept as a file, which ends the request for a page.
    assert.deepEqual(wrong.filter((line) => !/status of 4\d\d|\/letter net::ERR_ABORTED/.test(line)), []);
    for (const url of requested) {
      for (const typed of [...Object.values(kept), ...Object.values(refusedCase), halves.id, halves.code, newcomer.hsa, 'Barngatan', 'Nina', 'Otto']) {
        assert.ok(!url.includes(typed), 'nothing typed is in an address');
      }
    }
    await context.close();
  }
});
