export function Inside() {
  return <section aria-label="Inside" />;
}
