import type { DeliveredEntry, Unsettled } from '../input-stream.port.js';

/** By user, the first of what was delivered in order. */
export function firstOfEachUser(delivered: readonly DeliveredEntry[]): Map<string, DeliveredEntry> {
  const firsts = new Map<string, DeliveredEntry>();
  for (const one of delivered) {
    if (!firsts.has(one.entry.userId)) firsts.set(one.entry.userId, one);
  }
  return firsts;
}

/** Without those of whom there is nothing. */
export function unsettledOf(found: readonly (readonly [string, Unsettled | undefined])[]): Map<string, Unsettled> {
  const unsettled = new Map<string, Unsettled>();
  for (const [userId, one] of found) if (one !== undefined && one.receipts.length > 0) unsettled.set(userId, one);
  return unsettled;
}
