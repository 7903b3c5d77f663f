import { Logger } from '@nestjs/common';
import { jest } from '@jest/globals';
import { UndecodableRecords } from './undecodable-records.js';

describe(UndecodableRecords.name, () => {
  const record = { kind: 'memory', userId: 'ada', id: 'm-1', problem: 'role: missing' } as const;

  it('counts and logs each record once', () => {
    const logger = new Logger();
    const warn = jest.spyOn(logger, 'warn').mockImplementation(() => undefined);
    const sut = new UndecodableRecords(logger);

    for (let i = 0; i < 3; i++) sut.note(record);
    sut.note({ ...record, userId: 'bob' });
    sut.note({ ...record, kind: 'decision', id: 'd-1' });

    expect(sut.count).toBe(3);
    expect(sut.last).toBe('decision d-1');
    expect(warn.mock.calls.map(([text]) => String(text))).toEqual([
      'Skipped memory m-1 of user "ada", which cannot be read: role: missing',
      'Skipped memory m-1 of user "bob", which cannot be read: role: missing',
      'Skipped decision d-1 of user "ada", which cannot be read: role: missing',
    ]);
  });

  it('takes bounded memory and bounded room in the log', () => {
    const logger = new Logger();
    const warn = jest.spyOn(logger, 'warn').mockImplementation(() => undefined);
    const sut = new UndecodableRecords(logger);

    for (let i = 0; i < 5_000; i++) sut.note({ ...record, id: String(i) });

    expect(sut.count).toBe(1_000);
    expect(warn).toHaveBeenCalledTimes(1_001);
  });
});
