// What the Node.js clients share.
const { FC_TYPE: type, FC_TYPE_SEARCHABLE: searchable } = process.env;

export const migration = [
  `CREATE TABLE person (
     id integer PRIMARY KEY, email ${searchable} NOT NULL UNIQUE, name ${type} NOT NULL, city text)`,
  `ALTER TABLE person ADD COLUMN note ${type}`,
];
export const ada = { id: 1, email: 'ada@example.org', name: 'Ada Lovelace', note: 'first', city: 'London' };
export const nullNote = { id: 2, email: 'null@example.org', name: 'Nobody', note: null, city: null };
export const emptyNote = { id: 3, email: 'empty@example.org', name: 'Somebody', note: '', city: '' };
export const zoe = { id: 4, email: 'zoë@example.org', name: 'Zoë Müller 😀', note: 'Ωμέγα 日本語', city: 'Köln' };
export const adaKing = { id: 5, email: ada.email, name: 'Ada King', note: null, city: null };
export const rolledBack = { id: 900, email: 'rollback@example.org', name: 'Rolled back', note: null, city: null };
export const committed = { id: 901, email: 'commit@example.org', name: 'Committed', note: 'kept', city: null };
export const bulk = Array.from({ length: 100 }, (_, i) => ({
  id: 101 + i,
  email: `user${i + 1}@example.org`,
  name: `Name ${String(i + 1).padStart(3, '0')}`,
  note: null,
  city: 'bulk',
}));
export const emails = ['user1@example.org', 'user2@example.org', 'user3@example.org', 'nobody@example.org'];

// Rows, objects, as one line.
export function show(rows) {
  return rows.map((row) => Object.values(row).map((c) => (c === null ? '<null>' : String(c))).join('|')).join(' ; ');
}

// A step: what the function returns is its result.
export async function step(title, run) {
  let result;
  try {
    result = await run();
  } catch (error) {
    console.error(error);
    result = `ERROR ${String(error.message).replaceAll('\n', ' ')}`;
  }
  console.log(`${title}: ${result}`);
}
