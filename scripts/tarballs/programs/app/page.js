export default function Page() {
  return <p>residual</p>;
}
