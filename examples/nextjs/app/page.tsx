import { redirect } from "next/navigation";
import { Inbox } from "@/components/inbox";
import { SendForm } from "@/components/send-form";
import { currentUser } from "@/lib/session";
import { USERS } from "@/lib/users";

export default async function Page() {
  const user = await currentUser();
  if (!user) redirect("/login");
  return (
    <>
      <Inbox />
      <SendForm users={USERS} from={user.id} formKey={crypto.randomUUID()} />
    </>
  );
}
