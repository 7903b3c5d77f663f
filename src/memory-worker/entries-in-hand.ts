import { Injectable } from '@nestjs/common';
import type { DeliveredEntry } from '../stream/index.js';

/** What this process has read and neither finished nor given up. */
@Injectable()
export class EntriesInHand {
  private readonly byReceipt = new Map<string, DeliveredEntry>();

  /** Takes what was read, and returns it without what is in hand already: a claim may give an entry a second time. */
  take(delivered: readonly DeliveredEntry[]): DeliveredEntry[] {
    const taken = delivered.filter(({ receipt }) => !this.byReceipt.has(receipt));
    for (const entry of taken) this.byReceipt.set(entry.receipt, entry);
    return taken;
  }

  release(batch: readonly DeliveredEntry[]): void {
    for (const { receipt } of batch) this.byReceipt.delete(receipt);
  }

  has(receipt: string): boolean {
    return this.byReceipt.has(receipt);
  }

  all(): DeliveredEntry[] {
    return [...this.byReceipt.values()];
  }
}
