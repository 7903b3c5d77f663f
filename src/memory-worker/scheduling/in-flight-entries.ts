import { Injectable } from '@nestjs/common';
import type { DeliveredEntry } from '../../stream/index.js';

/** The entries that this process has read and has neither finished nor released. */
@Injectable()
export class InFlightEntries {
  private readonly byReceipt = new Map<string, DeliveredEntry>();

  /** Adds what was read, and returns it without entries that are in flight already: a claim may deliver one twice. */
  add(delivered: readonly DeliveredEntry[]): DeliveredEntry[] {
    const added = delivered.filter(({ receipt }) => !this.byReceipt.has(receipt));
    for (const entry of added) this.byReceipt.set(entry.receipt, entry);
    return added;
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
