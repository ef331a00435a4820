// A nödöppning in a real Chromium: refused, a reason, the patient; then the reviewer of the unit. Each page in both languages, at
// desk and at phone width, without scripts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessibilityFaults, english, facts, logIn, openWindow, picture, speak, swedish } from './window.js';

const languages = [
  {
    language: 'sv', locale: 'sv-SE', login: swedish, heading: 'Nödöppning', go: 'Gå vidare till nödöppning', open: 'Öppna patientens uppgifter',
    wrong: 'Något behöver rättas', why: 'Akut vård som inte kan vänta', words: 'Beskriv situationen', opened: 'i 15 minuter',
    back: 'Till patientens uppgifter', list: 'Nödöppningar',
  },
  {
    language: 'en', locale: 'en-GB', login: english, heading: 'Emergency access', go: 'Go on to emergency access', open: "Open the patient's data",
    wrong: 'Something needs mending', why: 'Acute care that cannot wait', words: 'Describe the situation', opened: 'for 15 minutes',
    back: "To the patient's data", list: 'Emergency access',
  },
];
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

for (const [index, told] of languages.entries()) {
  test(`who is refused a patient says why, and reads that patient (${told.language})`, async () => {
    const [shown, refused] = [facts.patients[index], facts.emergency.refused[index]];
    const { context, page, wrong } = await openWindow({ viewport: desk, locale: told.locale });
    const lookAt = (name) => look(page, `${name}-${told.language}`);
    await page.goto(`/patients/${shown.number}`);
    await logIn(page, refused, told.login);
    await page.getByRole('heading', { level: 2, name: told.heading }).waitFor();
    assert.ok(!(await page.content()).includes(shown.number), 'the refusal does not name the patient');
    await lookAt('refused');
    await page.getByRole('button', { name: told.go }).click();
    await page.getByRole('heading', { level: 1, name: told.heading }).waitFor();
    assert.equal(new URL(page.url()).pathname + new URL(page.url()).search, '/auth/emergency');
    await lookAt('why');
    await page.getByRole('button', { name: told.open }).click();
    await page.getByRole('alert').filter({ hasText: told.wrong }).waitFor();
    await lookAt('wrong');
    await page.getByLabel(told.why).check();
    await page.getByLabel(told.words).fill('Medvetslös på akuten');
    await page.getByRole('button', { name: told.open }).click();
    await page.getByRole('status').filter({ hasText: told.opened }).waitFor();
    await lookAt('open');
    await page.getByRole('link', { name: told.back }).click();
    await page.waitForURL(`**/patients/${shown.number}`);
    assert.equal(await page.locator('h1').innerText(), shown.name);
    // Chromium itself tells of the refusals' status in its console; nothing else may be there.
    assert.deepEqual(wrong.filter((line) => !/status of (403|422)/.test(line)), []);
    await context.close();
  });
}

test('the unit\'s reviewer finds them and marks them', async () => {
  const { context, page, wrong } = await openWindow({ viewport: desk, locale: 'en-GB' });
  await page.goto('/admin/emergencies?seen=false');
  await logIn(page, facts.emergency.reviewer, english);
  for (const told of [...languages].reverse()) {
    await speak(page, told.language);
    await page.goto('/admin/emergencies?seen=false');
    await page.getByRole('heading', { level: 1, name: told.list }).waitFor();
    assert.match(await page.locator('tbody').innerText(), /Medvetslös på akuten/);
    for (const { number } of facts.patients) {
      assert.ok(!(await page.content()).includes(number), 'the list does not name the patient');
    }
    await look(page, `list-${told.language}`);
    await page.locator('tbody').getByRole('button').first().click();
    await page.getByRole('status').waitFor();
    await look(page, `reviewed-${told.language}`);
  }
  assert.deepEqual(wrong, []);
  await context.close();
});
