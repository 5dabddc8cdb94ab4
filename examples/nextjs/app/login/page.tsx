import { logIn } from "@/app/actions";
import { USERS } from "@/lib/users";

export default function Page() {
  return (
    <form action={logIn} className="card login">
      <h1>Who are you?</h1>
      <p>Two users to try it with. Open this page in another browser, and be the other one there.</p>
      {USERS.map(({ id, name }) => (
        <button key={id} name="user" value={id}>
          {name}
        </button>
      ))}
    </form>
  );
}
