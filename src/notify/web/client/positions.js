/** @file A position is `EPOCH.SEQUENCE`: only those of the same epoch can be compared. */

/** @param {string} position */
export const sequenceOf = (position) => Number(position.split(".")[1]);

/** @param {string} one @param {string} other */
export const isSameEpoch = (one, other) => one.split(".")[0] === other.split(".")[0];

/** @param {string | null} one @param {string} other */
export const reaches = (one, other) =>
  one !== null && isSameEpoch(one, other) && sequenceOf(one) >= sequenceOf(other);
