// The year's review: the region's approver is reminded that an account is to be confirmed, looks at it, and confirms it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { look } from '../desk.js';
import { facts } from '../window.js';
import { decide, lookAt } from './people.js';

const words = {
  sv: { toReview: /^Konton att bekräfta för regionen/, notYet: 'inte ännu', confirm: ['Bekräfta kontot', 'Kontot är bekräftat.'] },
  en: { toReview: /^Accounts to confirm for the region/, notYet: 'not yet', confirm: ['Confirm the account', 'The account is confirmed.'] },
};

export async function review(approver, { name, user }) {
  const { page } = approver;
  const told = words[approver.language];
  const inList = page.getByRole('link', { name, exact: true });
  await page.goto('/admin/reviews');
  assert.equal(await inList.count(), 0, 'it is confirmed by its application');
  const [program, ...given] = facts.year_later;
  execFileSync(program, [...given, user]);
  await lookAt(approver, 'life-start-review', '/admin');
  await page.getByRole('link', { name: told.toReview }).click();
  await inList.waitFor();
  await untilReminded(page.getByRole('row').filter({ has: inList }), told.notYet);
  await lookAt(approver, 'life-reviews', '/admin/reviews');
  await inList.click();
  await page.getByRole('heading', { level: 1, name }).waitFor();
  await look(approver, 'life-account-review');
  await decide(approver, told.confirm, 'review');
  await page.goto('/admin/reviews');
  assert.equal(await inList.count(), 0, 'it is confirmed');
  await lookAt(approver, 'life-reviews-none', '/admin/reviews');
}

// The auditor reminds as it sweeps; the page is asked for again until it says so.
async function untilReminded(row, notYet) {
  for (const until = Date.now() + 60_000; await row.getByText(notYet).count(); await row.page().reload()) {
    assert.ok(Date.now() < until, 'nobody is reminded');
  }
}
