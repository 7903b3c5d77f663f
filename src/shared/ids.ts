import { v7 as uuidV7 } from 'uuid';

/** A UUIDv7: unique without coordination and sortable by the time it was made. */
export function newId(): string {
  return uuidV7();
}
