// A nödöppning in a real Chromium: refused, a reason, the patient; then the reviewer of the unit. Each page at desk and at phone
// width, without scripts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessibilityFaults, english, facts, logIn, openWindow, picture, swedish } from './window.js';

const [shown] = facts.patients;
const desk = { width: 1280, height: 900 };
const phone = { width: 360, height: 740 };

async function look(page, name) {
  for (const [size, width] of [[desk, 'desk'], [phone, 'phone']]) {
    await page.setViewportSize(size);
    assert.deepEqual(await accessibilityFaults(page), [], `${name} ${width}`);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(over, 0, `${name} ${width}: wider than the window`);
    await picture(page, `emergency-${name}-${width}`);
  }
  await page.setViewportSize(desk);
}

test('who is refused a patient says why, and reads that patient', async () => {
  const { context, page, wrong } = await openWindow({ viewport: desk });
  await page.goto(`/patients/${shown.number}`);
  await logIn(page, facts.emergency.refused, swedish);
  await page.getByRole('heading', { level: 2, name: 'Nödöppning' }).waitFor();
  assert.ok(!(await page.content()).includes(shown.number), 'the refusal does not name the patient');
  await look(page, 'refused');
  await page.getByRole('button', { name: 'Gå vidare till nödöppning' }).click();
  await page.getByRole('heading', { level: 1, name: 'Nödöppning' }).waitFor();
  assert.equal(new URL(page.url()).pathname + new URL(page.url()).search, '/auth/emergency');
  await look(page, 'why');
  await page.getByRole('button', { name: 'Öppna patientens uppgifter' }).click();
  await page.getByRole('alert').filter({ hasText: 'Något behöver rättas' }).waitFor();
  await look(page, 'wrong');
  await page.getByLabel('Akut vård som inte kan vänta').check();
  await page.getByLabel('Beskriv situationen').fill('Medvetslös på akuten');
  await page.getByRole('button', { name: 'Öppna patientens uppgifter' }).click();
  await page.getByRole('status').filter({ hasText: 'i 15 minuter' }).waitFor();
  await look(page, 'open');
  await page.getByRole('link', { name: 'Till patientens uppgifter' }).click();
  await page.waitForURL(`**/patients/${shown.number}`);
  assert.equal(await page.locator('h1').innerText(), shown.name);
  // Chromium itself tells of the refusals' status in its console; nothing else may be there.
  assert.deepEqual(wrong.filter((line) => !/status of (403|422)/.test(line)), []);
  await context.close();
});

test('the unit\'s reviewer finds it and marks it', async () => {
  const { context, page, wrong } = await openWindow({ viewport: desk, locale: 'en-GB' });
  await page.goto('/admin/emergencies?seen=false');
  await logIn(page, facts.emergency.reviewer, english);
  await page.getByRole('heading', { level: 1, name: 'Emergency access' }).waitFor();
  assert.match(await page.locator('tbody').innerText(), /Medvetslös på akuten/);
  assert.ok(!(await page.content()).includes(shown.number), 'the list does not name the patient');
  await look(page, 'list');
  await page.getByRole('button', { name: /^Mark as reviewed/ }).click();
  await page.getByRole('status').filter({ hasText: 'marked as reviewed' }).waitFor();
  await look(page, 'reviewed');
  assert.deepEqual(wrong, []);
  await context.close();
});
