import { jest } from '@jest/globals';
import { newId } from './ids.js';

describe(newId.name, () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  const timeOf = (id: string): number => Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);

  it('is a UUID of version 7 that begins with the time', () => {
    const before = Date.now();
    const id = newId();
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(timeOf(id)).toBeGreaterThanOrEqual(before);
    expect(timeOf(id)).toBeLessThanOrEqual(Date.now());
  });

  it('differs from every other, and sorts by when it was made, many within a millisecond', () => {
    const ids = Array.from({ length: 50_000 }, newId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.toSorted()).toEqual(ids);
  });

  it('sorts so while the clock goes back', () => {
    const first = newId();
    const earlier = Date.now() - 10_000;
    jest.spyOn(Date, 'now').mockReturnValue(earlier);
    const second = newId();
    expect([second, first].toSorted()).toEqual([first, second]);
  });

  it('ends in bits that differ between any two', () => {
    const endings = Array.from({ length: 1_000 }, () => newId().slice(-8));
    expect(new Set(endings).size).toBeGreaterThan(990);
  });
});
