// What the tests of the administration's pages share: a window for somebody, a look at its page, and what is signed there.

import assert from 'node:assert/strict';
import { accessibilityFaults, logIn, oneTimeCode, openWindow, picture } from './window.js';

const words = {
  sv: { other: 'In English', sign: 'Skriv under', code: 'Engångskod' },
  en: { other: 'På svenska', sign: 'Sign', code: 'One-time code' },
};
const desk = { width: 1280, height: 900 };
const phone = { width: 360, height: 740 };

// A window in a language.
export const windowIn = (language) =>
  openWindow({ locale: language === 'sv' ? 'sv-SE' : 'en-GB', javaScriptEnabled: true, viewport: desk });

// Somebody at their window, logged in by password and code.
export async function enter(person, language, words) {
  const window = await windowIn(language);
  await window.page.goto('/admin');
  await logIn(window.page, person, words);
  await window.page.waitForURL('**/admin');
  return { ...window, person, language, signed: false };
}

// The page that is shown, looked at by axe at both widths. It is never wider than the window.
export async function look(who, name) {
  const { page, language } = who;
  assert.equal(await page.locator('html').getAttribute('lang'), language);
  for (const [size, width] of [[desk, 'desk'], [phone, 'phone']]) {
    await page.setViewportSize(size);
    assert.deepEqual(await accessibilityFaults(page), [], `${name} ${language} ${width}`);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(over, 0, `${name} ${language} ${width}: wider than the window`);
    await picture(page, `${name}-${language}-${width}`);
  }
  await page.setViewportSize(desk);
}

// Somebody goes on in the other language.
export async function turn(who) {
  await who.page.goto('/admin');
  await who.page.getByRole('link', { name: words[who.language].other }).click();
  who.language = who.language === 'sv' ? 'en' : 'sv';
}

// A button of the page.
export const button = (who, name) => who.page.getByRole('button', { name, exact: true });

// A form of the page, by its heading.
export const offer = (who, name) => who.page.getByRole('region', { name, exact: true });

// Presses a button, and signs by code if that is asked for: a signature is good for a while, and a walk may be longer.
export async function press(who, pressed) {
  const { page } = who;
  const told = words[who.language];
  await leads(page, pressed);
  if (await page.getByRole('heading', { level: 1, name: told.sign, exact: true }).count()) {
    await page.getByLabel(told.code).fill(oneTimeCode(who.person.totp_secret, Date.now() / 1000 + 30));
    await leads(page, button(who, told.sign));
  }
}

async function leads(page, pressed) {
  const shown = page.waitForEvent('load');
  await pressed.click();
  await shown;
}
