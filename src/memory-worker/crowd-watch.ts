import { Injectable } from '@nestjs/common';
import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import { Settings } from '../config/index.js';
import { VorpalClient } from '../vorpal/index.js';

// With the event loop busy for a larger share of the time, the turns of a chat wait noticeably behind the worker's.
const BUSY_SHARE_BESIDE_CHATS = 0.4;

/** Who waits: `chats` of this process for its event loop, or a `queue` of anybody's requests at Vorpal. */
export type Crowd = 'none' | 'chats' | 'queue';

/** Looks who waits for what the worker occupies. */
@Injectable()
export class CrowdWatch {
  /** With one batch at a time there is nothing to decide, and nothing worth asking for. */
  private readonly isFixed: boolean;
  private lastUse: EventLoopUtilization = performance.eventLoopUtilization();
  private lastChats = 0;

  constructor(
    private readonly vorpal: VorpalClient,
    { worker }: Settings,
  ) {
    this.isFixed = worker.maxBatches === 1;
  }

  /** What was the case since the last look. Never fails. */
  async look(signal: AbortSignal): Promise<Crowd> {
    if (this.isFixed) return 'none';
    if (this.isHoldingUpChats()) return 'chats';
    const waiting = await this.vorpal.waitingRequests(signal);
    return waiting !== undefined && waiting > 0 ? 'queue' : 'none';
  }

  private isHoldingUpChats(): boolean {
    const use = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(use, this.lastUse);
    const { chatsBegun } = this.vorpal;
    const areChats = chatsBegun > this.lastChats;
    this.lastUse = use;
    this.lastChats = chatsBegun;
    return areChats && utilization > BUSY_SHARE_BESIDE_CHATS;
  }
}
