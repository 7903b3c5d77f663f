import { Logger } from '@nestjs/common';
import { jest } from '@jest/globals';
import { OutageLog } from './outage-log.js';

describe(OutageLog.name, () => {
  const lines: string[] = [];
  let sut: OutageLog;

  beforeEach(() => {
    lines.length = 0;
    jest.useFakeTimers();
    for (const level of ['log', 'warn'] as const) {
      jest.spyOn(Logger.prototype, level).mockImplementation((message: unknown) => {
        lines.push(`${level}: ${String(message)}`);
      });
    }
    sut = new OutageLog(new Logger('Test'), { begins: 'It fails', ends: 'It works again' });
  });

  afterEach(() => {
    jest.restoreAllMocks();
    jest.useRealTimers();
  });

  it('logs nothing while nothing fails', () => {
    sut.succeeded();

    expect(lines).toEqual([]);
  });

  it('logs failures between successes once, and their end once', () => {
    for (let second = 0; second < 60; second++) {
      sut.failed('away');
      sut.succeeded();
      jest.advanceTimersByTime(1_000);
    }
    expect(lines).toEqual(['warn: It fails: away']);

    jest.advanceTimersByTime(9_000);
    sut.succeeded();
    sut.succeeded();

    expect(lines).toEqual(['warn: It fails: away', 'log: It works again after 69 s']);
  });

  it('logs the next failures', () => {
    sut.failed('away');
    jest.advanceTimersByTime(10_000);
    sut.succeeded();
    sut.failed('away');

    expect(lines).toEqual(['warn: It fails: away', 'log: It works again after 10 s', 'warn: It fails: away']);
  });

  it('logs another reason, but not with every request where there are two', () => {
    for (let request = 0; request < 23; request++) {
      sut.failed(request % 2 === 0 ? 'away' : 'too slow');
      jest.advanceTimersByTime(1_000);
    }

    expect(lines).toEqual(['warn: It fails: away', 'warn: It fails: too slow', 'warn: It fails: away']);
  });

  it('ends with the first success where it is told to', () => {
    const eager = new OutageLog(new Logger('Test'), { begins: 'It fails', ends: 'It works again' }, 0);
    eager.failed('away');
    eager.succeeded();

    expect(lines).toEqual(['warn: It fails: away', 'log: It works again after 0 s']);
  });
});
