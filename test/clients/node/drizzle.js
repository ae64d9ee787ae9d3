// Drizzle on node-postgres: a table with a custom type, its migrator, its
// query builder.
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { and, asc, count, countDistinct, desc, eq, gt, inArray, isNull, like, max, min, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate } from 'drizzle-orm/node-postgres/migrator';
import { customType, integer, pgTable, text } from 'drizzle-orm/pg-core';
import pg from 'pg';
import { step, show, migration, ada, nullNote, emptyNote, zoe, adaKing, rolledBack, committed, bulk, emails } from './steps.js';

// In an application: dataType returns "encrypted_text('pii')".
const encryptedText = customType({
  dataType: (config) => (config?.searchable ? process.env.FC_TYPE_SEARCHABLE : process.env.FC_TYPE),
});
const person = pgTable('person', {
  id: integer('id').primaryKey(),
  email: encryptedText('email', { searchable: true }).notNull().unique(),
  name: encryptedText('name').notNull(),
  city: text('city'),
  note: encryptedText('note'),
});

const client = new pg.Client();
await client.connect();
const db = drizzle(client);

async function number(condition, on = db) {
  return (await on.select({ n: count() }).from(person).where(condition))[0].n;
}

// The migrator reads its files from a directory.
function writeMigrations() {
  const folder = mkdtempSync(join(tmpdir(), 'fieldcrypt-drizzle-'));
  mkdirSync(join(folder, 'meta'));
  const entries = migration.map((statement, idx) => {
    const tag = `000${idx}_person`;
    writeFileSync(join(folder, `${tag}.sql`), statement);
    return { idx, version: '7', when: 1700000000000 + idx, tag, breakpoints: true };
  });
  writeFileSync(join(folder, 'meta', '_journal.json'),
    JSON.stringify({ version: '7', dialect: 'postgresql', entries }));
  return folder;
}

await step('migration', async () => {
  const migrationsFolder = writeMigrations();
  await migrate(db, { migrationsFolder });
  rmSync(migrationsFolder, { recursive: true });
  return number();
});
await step('insert with bind parameters', async () => {
  const { id, email, name, note } = person;
  return show(await db.insert(person).values(ada).returning({ id, email, name, note }));
});
await step('NULL and empty string', async () => {
  await db.insert(person).values([nullNote, emptyNote]);
  return show(await db.select({ id: person.id, note: person.note }).from(person)
    .where(inArray(person.id, [2, 3])).orderBy(asc(person.id)));
});
await step('IS NULL', async () => show(await db.select({ id: person.id }).from(person).where(isNull(person.note))));
await step('equality with the empty string', async () =>
  show(await db.select({ id: person.id }).from(person).where(eq(person.note, ''))));
await step('non-ASCII text', async () => {
  await db.insert(person).values(zoe);
  const { id, email, name, note } = person;
  return show(await db.select({ id, email, name, note }).from(person).where(eq(person.id, 4)));
});
await step('equality with non-ASCII text', async () =>
  show(await db.select({ id: person.id }).from(person).where(and(eq(person.email, zoe.email), eq(person.note, zoe.note)))));
await step('bulk insert', async () => {
  await db.insert(person).values(bulk);
  return number(gt(person.id, 100));
});
await step('equality', async () =>
  show(await db.select({ id: person.id, name: person.name }).from(person).where(eq(person.email, 'user7@example.org'))));
await step('equality without a match', () => number(eq(person.email, 'nobody@example.org')));
await step('IN list', async () =>
  show(await db.select({ id: person.id }).from(person).where(inArray(person.email, emails)).orderBy(asc(person.id))));
await step('LIKE', () => number(like(person.name, 'Name 09%')));
await step('ORDER BY', async () =>
  show(await db.select({ name: person.name }).from(person).where(gt(person.id, 100)).orderBy(desc(person.name)).limit(3)));
await step('aggregates', async () =>
  show(await db.select({ n: countDistinct(person.name), low: min(person.name), high: max(person.name) })
    .from(person).where(gt(person.id, 100))));
await step('text functions', async () =>
  show(await db.select({ up: sql`upper(${person.name})`, n: sql`length(${person.name})` })
    .from(person).where(eq(person.email, ada.email))));
await step('unique', async () => {
  try {
    await db.insert(person).values({ ...ada, id: 5 });
  } catch (error) {
    return (error.cause ?? error).code;
  }
  return 'no error';
});
await step('upsert', async () => {
  await db.insert(person).values(adaKing)
    .onConflictDoUpdate({ target: person.email, set: { name: sql`excluded.name` } });
  return show(await db.select({ id: person.id, name: person.name }).from(person).where(eq(person.email, ada.email)));
});
await step('update', async () => {
  const done = await db.update(person).set({ note: 'changed' }).where(eq(person.email, ada.email));
  return `${done.rowCount}|${show(await db.select({ note: person.note }).from(person).where(eq(person.id, 1)))}`;
});
await step('rollback', async () => {
  let inside;
  const same = eq(person.email, rolledBack.email);
  try {
    await db.transaction(async (tx) => {
      await tx.insert(person).values(rolledBack);
      await tx.update(person).set({ note: 'rolled back' }).where(eq(person.id, 1));
      inside = await number(same, tx);
      tx.rollback();
    });
  } catch (error) {
    if (inside === undefined) throw error;
  }
  return `${inside}, then ${await number(same)}`;
});
await step('commit', async () => {
  await db.transaction((tx) => tx.insert(person).values(committed));
  return number(and(eq(person.email, committed.email), eq(person.note, committed.note)));
});
await step('delete', async () => {
  const done = await db.delete(person).where(eq(person.email, 'user100@example.org'));
  return `${done.rowCount}, then ${await number(eq(person.id, 200))}`;
});
await client.end();
