import { Logger } from '@nestjs/common';
import { jest } from '@jest/globals';
import { FailureSpell } from './failure-spell.js';

describe(FailureSpell.name, () => {
  const lines: string[] = [];
  let sut: FailureSpell;

  beforeEach(() => {
    lines.length = 0;
    jest.useFakeTimers();
    for (const level of ['log', 'warn'] as const) {
      jest.spyOn(Logger.prototype, level).mockImplementation((message: unknown) => {
        lines.push(`${level}: ${String(message)}`);
      });
    }
    sut = new FailureSpell(new Logger('Test'), { begins: 'It fails', ends: 'It works again' });
  });

  afterEach(() => {
    jest.restoreAllMocks();
    jest.useRealTimers();
  });

  it('says nothing while nothing fails', () => {
    sut.succeeded();

    expect(lines).toEqual([]);
  });

  it('tells once of failures between which others succeed, and once of their end', () => {
    for (let second = 0; second < 60; second++) {
      sut.failed('away');
      sut.succeeded();
      jest.advanceTimersByTime(1_000);
    }
    expect(lines).toEqual(['warn: It fails: away']);

    jest.advanceTimersByTime(9_000);
    sut.succeeded();
    sut.succeeded();

    expect(lines).toEqual(['warn: It fails: away', 'log: It works again']);
  });

  it('tells of the next failures', () => {
    sut.failed('away');
    jest.advanceTimersByTime(10_000);
    sut.succeeded();
    sut.failed('away');

    expect(lines).toEqual(['warn: It fails: away', 'log: It works again', 'warn: It fails: away']);
  });

  it('tells when something else is wrong, but not with every request where two things are', () => {
    for (let request = 0; request < 23; request++) {
      sut.failed(request % 2 === 0 ? 'away' : 'too slow');
      jest.advanceTimersByTime(1_000);
    }

    expect(lines).toEqual(['warn: It fails: away', 'warn: It fails: too slow', 'warn: It fails: away']);
  });
});
