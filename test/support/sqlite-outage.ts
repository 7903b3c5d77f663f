import { DatabaseSync } from 'node:sqlite';

/**
 * Makes every use of the tables fail, until the returned function is called: a lock keeps writers out, and readers,
 * whom no lock keeps out of a file with a write-ahead log, do not find the tables.
 */
export async function takeTablesAway(path: string, tables: readonly string[]): Promise<() => Promise<void>> {
  const outside = new DatabaseSync(path);
  for (const table of tables) outside.exec(`ALTER TABLE ${table} RENAME TO ${table}_away`);
  outside.exec('BEGIN IMMEDIATE');
  return async () => {
    outside.exec('ROLLBACK');
    for (const table of tables) outside.exec(`ALTER TABLE ${table}_away RENAME TO ${table}`);
    outside.close();
  };
}
