import type { Redis } from 'ioredis';
import type { RedisServerSettings } from '../redis.settings.js';
import { sentinelListener } from './redis-options.js';

const CHANNEL = '+switch-master';

/**
 * Listens to the Sentinels for a new master. A master that is replaced while it lives goes on taking writes for about
 * ten seconds, until it is told, and then forgets all of them; whoever stays with it that long loses what it writes.
 */
export class SentinelSubscriber {
  private readonly listeners: readonly Redis[];

  /** `onSwitch` is told by every Sentinel as soon as that one knows, so about the same switch several times. */
  constructor(settings: RedisServerSettings, onSwitch: (host: string, port: number) => void) {
    this.listeners = settings.hosts.map((sentinel) => {
      const listener = sentinelListener(settings, sentinel);
      // An unreachable Sentinel matters only when none is left, which the other connections report.
      listener.on('error', () => undefined);
      listener.on('message', (_: string, message: string) => {
        const [name, , , host = '', port] = message.split(' ');
        if (name === settings.sentinel.masterName) onSwitch(host, Number(port));
      });
      return listener;
    });
  }

  open(): void {
    // Is sent when there is a connection, and again with every later one; fails when that is closed.
    for (const listener of this.listeners) listener.subscribe(CHANNEL).catch(() => undefined);
  }

  close(): void {
    for (const listener of this.listeners) listener.disconnect();
  }
}
