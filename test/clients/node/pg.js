// node-postgres: parameters, and named prepared statements where no pooler
// would lose them.
import pg from 'pg';
import { step, show, migration, ada, nullNote, emptyNote, zoe, adaKing, rolledBack, committed, bulk, emails } from './steps.js';

const client = new pg.Client();
await client.connect();

const INSERT = 'INSERT INTO person (id, email, name, note, city) VALUES ($1, $2, $3, $4, $5)';
const values = (p) => [p.id, p.email, p.name, p.note, p.city];

async function query(text, params) {
  return show((await client.query(text, params)).rows);
}

async function count(condition, params) {
  return query(`SELECT count(*) FROM person WHERE ${condition}`, params);
}

await step('migration', async () => {
  for (const statement of migration) await client.query(statement);
  return count('true');
});
await step('insert with bind parameters', () => query(`${INSERT} RETURNING id, email, name, note`, values(ada)));
await step('NULL and empty string', async () => {
  await client.query(INSERT, values(nullNote));
  await client.query(INSERT, values(emptyNote));
  return query('SELECT id, note FROM person WHERE id IN (2, 3) ORDER BY id');
});
await step('IS NULL', () => query('SELECT id FROM person WHERE note IS NULL'));
await step('equality with the empty string', () => query('SELECT id FROM person WHERE note = $1', ['']));
await step('non-ASCII text', async () => {
  await client.query(INSERT, values(zoe));
  return query('SELECT id, email, name, note FROM person WHERE id = 4');
});
await step('equality with non-ASCII text', () =>
  query('SELECT id FROM person WHERE email = $1 AND note = $2', [zoe.email, zoe.note]));
await step('bulk insert', async () => {
  const params = bulk.flatMap(values);
  const rows = bulk.map((_, i) => `($${i * 5 + 1}, $${i * 5 + 2}, $${i * 5 + 3}, $${i * 5 + 4}, $${i * 5 + 5})`);
  await client.query(`INSERT INTO person (id, email, name, note, city) VALUES ${rows.join(', ')}`, params);
  return count('id > 100');
});
await step('equality', async () => {
  const text = 'SELECT id, name FROM person WHERE email = $1';
  const name = process.env.FC_POOLER ? undefined : 'by_email';
  await client.query({ name, text, values: ['user8@example.org'] });
  return show((await client.query({ name, text, values: ['user7@example.org'] })).rows);
});
await step('equality without a match', () => count('email = $1', ['nobody@example.org']));
await step('IN list', async () => {
  const any = await query('SELECT id FROM person WHERE email = ANY ($1) ORDER BY id', [emails]);
  const list = await query('SELECT id FROM person WHERE email IN ($1, $2, $3, $4) ORDER BY id', emails);
  return any === list ? list : `${list}, but with ANY ${any}`;
});
await step('LIKE', () => count('name LIKE $1', ['Name 09%']));
await step('ORDER BY', () => query('SELECT name FROM person WHERE id > 100 ORDER BY name DESC LIMIT 3'));
await step('aggregates', () => query('SELECT count(DISTINCT name), min(name), max(name) FROM person WHERE id > 100'));
await step('text functions', () => query('SELECT upper(name), length(name) FROM person WHERE email = $1', [ada.email]));
await step('unique', async () => {
  try {
    await client.query(INSERT, values({ ...ada, id: 5 }));
  } catch (error) {
    return error.code;
  }
  return 'no error';
});
await step('upsert', async () => {
  await client.query(`${INSERT} ON CONFLICT (email) DO UPDATE SET name = EXCLUDED.name`, values(adaKing));
  return query('SELECT id, name FROM person WHERE email = $1', [ada.email]);
});
await step('update', async () => {
  const done = await client.query('UPDATE person SET note = $1 WHERE email = $2', ['changed', ada.email]);
  return `${done.rowCount}|${await query('SELECT note FROM person WHERE id = 1')}`;
});
await step('rollback', async () => {
  await client.query('BEGIN');
  await client.query(INSERT, values(rolledBack));
  await client.query('UPDATE person SET note = $1 WHERE id = 1', ['rolled back']);
  const inside = await count('email = $1', [rolledBack.email]);
  await client.query('ROLLBACK');
  return `${inside}, then ${await count('email = $1', [rolledBack.email])}`;
});
await step('commit', async () => {
  await client.query('BEGIN');
  await client.query(INSERT, values(committed));
  await client.query('COMMIT');
  return count('email = $1 AND note = $2', [committed.email, committed.note]);
});
await step('delete', async () => {
  const done = await client.query('DELETE FROM person WHERE email = $1', ['user100@example.org']);
  return `${done.rowCount}, then ${await count('id = 200')}`;
});
await step('binary results', async () => {
  const result = await client.query({ text: 'SELECT name, note FROM person WHERE id = 4', binary: true });
  return show(result.rows);
});
await step('type of the column', async () => (await client.query('SELECT name FROM person LIMIT 1')).fields[0].dataTypeID);
await client.end();
