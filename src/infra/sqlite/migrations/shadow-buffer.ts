import type { DatabaseSync } from 'node:sqlite';

/**
 * The step of the schema that ends the shadow buffer: what has not expired is a memory from then on, with its vectors
 * among those of the memories; what has is gone. Not in SQL, since each embedding space has a table of its own.
 */
export function endShadowBuffer(database: DatabaseSync): void {
  database.prepare('DELETE FROM memories WHERE expires_at_ms <= ?').run(Date.now());
  for (const { generation } of database.prepare('SELECT generation FROM memory_spaces').all()) {
    adoptVectors(database, `memory_vectors_${Number(generation)}`);
  }
  database.exec('UPDATE memories SET expires_at_ms = NULL WHERE expires_at_ms IS NOT NULL');
}

function adoptVectors(database: DatabaseSync, table: string): void {
  const find = database.prepare('SELECT user_id FROM memories WHERE seq = ?');
  const remove = database.prepare(`DELETE FROM ${table} WHERE rowid = ?`);
  const add = database.prepare(`INSERT INTO ${table} (rowid, owner, embedding) VALUES (?, ?, ?)`);
  const shadow = database.prepare(`SELECT rowid, embedding FROM ${table} WHERE owner GLOB 'shadow:*'`).all();
  for (const { rowid, embedding } of shadow) {
    // A column of a virtual table takes no number that JavaScript calls a float.
    const seq = BigInt(Number(rowid));
    const memory = find.get(seq);
    remove.run(seq);
    if (memory) add.run(seq, `memory:${String(memory.user_id)}`, embedding as Uint8Array);
  }
}
