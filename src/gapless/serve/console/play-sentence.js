// Messages of the server begin in lower case, like parts of a log line; on the page they stand alone.

/** A message as a sentence. @param {string} message */
export function sentence(message) {
  const whole = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}
