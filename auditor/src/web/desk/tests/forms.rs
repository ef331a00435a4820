//! The three forms' ways by pages alone.

use super::browser::{Browser, NEW};
use crate::accounts::{State, UserName};
use crate::clock;
use crate::duties::Region;
use crate::web::admin::tests::bed::{Bed, Who, registry};
use contract::record::{AuthEventKind, Right};

/// The people of the procedure.
pub(super) struct Five {
    pub(super) bed: Bed,
    pub(super) anna: Who,
    pub(super) approver: Who,
    pub(super) holder: Who,
    pub(super) admin: Who,
}

impl Five {
    pub(super) async fn new() -> Self {
        let bed = Bed::new().await;
        Self {
            anna: bed.signer(1, &[]).await,
            approver: bed.signer(2, &["approver:12"]).await,
            holder: bed.signer(3, &["registry_holder:fotled"]).await,
            admin: bed.signer(4, &["account_admin"]).await,
            bed,
        }
    }

    pub(super) fn browser(&self, who: &Who) -> Browser<'_> {
        Browser::new(&self.bed, who)
    }
}

#[tokio::test]
async fn an_application_goes_its_way_on_pages() {
    let five = Five::new().await;
    let [anna, approver, holder, admin] =
        [&five.anna, &five.approver, &five.holder, &five.admin].map(|who| five.browser(who));
    let start = anna.open("/admin").await.is(200).says("Du har inga uppdrag");
    let new = anna.open(&start.link("Ansök om behörighet")).await.is(200);
    assert_eq!(new.sheet(NEW).get("name"), "Person 1", "what is known stands there");
    let form = anna.applied().await;
    let saved = anna.open(&format!("{form}?done=saved")).await.is(200).says("Utkastet är sparat.");
    let saved = saved.says("Barngatan 4\n221 00 Lund").says("191212121212").says("2099-01-01").says("Utkast");
    let edit = anna.open(&saved.link("Ändra utkastet")).await.is(200);
    let to = format!("{form}/edit");
    assert_eq!(edit.sheet(&to).get("address"), "Barngatan 4\n221 00 Lund");
    assert_eq!(edit.sheet(&to).get("valid_to"), "2099-01-01", "the day that was typed");
    let mended = anna.send(&edit, &to, &[("purpose", "Registrering")]).await.is(200).says("Utkastet är sparat.");
    let unsure = anna.send(&mended, &format!("{form}/submit"), &[]).await.is(422);
    let unsure = unsure.says("Läs och markera försäkran");
    let submitted = anna.send(&unsure, &format!("{form}/submit"), &[("assured", "yes")]).await.is(200);
    submitted.says("Blanketten är inskickad.").says("en godkännare i Region Skåne prövar den");

    let waiting = approver.open("/admin").await.is(200).says("Att pröva för regionen");
    let queue = approver.open(&waiting.link("Att pröva för regionen")).await.is(200);
    let seen =
        approver.open(&queue.link("Ansökan (blankett 1)")).await.is(200).says("Att du läser blanketten registreras.");
    let back = approver.send(&seen, &format!("{form}/return"), &[("reason", "Mobil saknas\nRätta")]).await.is(200);
    back.says("Blanketten är tillbakaskickad.").says("Inga blanketter stämmer");
    approver.open(&form).await.is(404);

    let again = anna.open(&form).await.is(200).says("Mobil saknas\nRätta").says("Skickades tillbaka");
    anna.send(&again, &format!("{form}/submit"), &[("assured", "yes")]).await.is(200);
    let agreed = approver.deed(&form, "approve", &[("basis", "Kollega sedan 2019")]).await.is(200);
    agreed.says("Blanketten är godkänd.").says("Kollega sedan 2019").says(", du");
    holder.deed(&form, "forward", &[]).await.is(200).says("Blanketten är vidarebefordrad.");
    admin.deed(&form, "execute", &[]).await.is(200).says("Blanketten är verkställd.").says("Klart");
    let right = five.bed.store.grants(five.anna.id).await.expect("reads");
    assert_eq!(right.iter().map(|g| (&g.registry, g.right)).collect::<Vec<_>>(), [(&registry(), Right::Read)]);
    let end = contract::instant::parse("2099-01-01T23:00:00Z").expect("a time");
    assert_eq!(right[0].valid_to, Some(end), "the last day is one of it, in Sweden");
    anna.open("/admin").await.is(200).says("fotled").says("från").says("2099-01-01");

    let events = five.bed.told().await;
    let by = |kind| events.iter().filter(|event| event.kind == kind).map(|event| event.by).collect::<Vec<_>>();
    assert_eq!(by(AuthEventKind::FormExecuted), [five.admin.id]);
    assert!(by(AuthEventKind::FormRevealed).iter().all(|by| *by != five.anna.id));
    assert!(by(AuthEventKind::FormRevealed).contains(&five.approver.id));
}

#[tokio::test]
async fn a_newcomer_gets_a_user_name() {
    let five = Five::new().await;
    let [approver, holder, admin] = [&five.approver, &five.holder, &five.admin].map(|who| five.browser(who));
    let form = format!("/admin/forms/{}", five.bed.newcomer(9, Region::Skane).await.id);
    approver.open(&form).await.is(200).says("någon utan konto, på en ansluten enhet");
    approver.deed(&form, "approve", &[("basis", "Kollega")]).await.is(200);
    holder.deed(&form, "forward", &[]).await.is(200);
    let page =
        admin.deed(&form, "execute", &[]).await.is(422).says("Användarnamn för det nya kontot behöver fyllas i.");
    assert_eq!(page.html.matches("aria-invalid=\"true\"").count(), 1);
    let page = admin.send(&page, &format!("{form}/execute"), &[("user_name", "å")]).await.is(422);
    let page = page.says("Användarnamnet ska ha");
    assert_eq!(page.sheet(&format!("{form}/execute")).get("user_name"), "å");
    let page = admin.send(&page, &format!("{form}/execute"), &[("user_name", "user2")]).await.is(409).says("Upptaget");
    assert_eq!(page.sheet(&format!("{form}/execute")).get("user_name"), "user2");
    admin.send(&page, &format!("{form}/execute"), &[("user_name", "bo.nyman")]).await.is(200);
    let made = five.bed.store.account_by_name(&UserName::parse("bo.nyman").expect("valid")).await.expect("reads");
    assert!(matches!(made.expect("is there").state, State::Created { .. }));
}

#[tokio::test]
async fn a_right_is_narrowed_and_an_account_ended_for_another() {
    let five = Five::new().await;
    five.bed.vouched(&five.anna, Right::ReadWrite).await;
    let (anna, approver) = (five.browser(&five.anna), five.browser(&five.approver));
    let new = "/admin/forms/new/change";
    let change = [("region", "12"), ("registry", "fotled"), ("right", "read"), ("reason", "Ny roll")];
    let page = approver.open(new).await.is(200);
    let none = approver.send(&page, new, &[&change[..], &[("user_name", "user99")]].concat()).await.is(422);
    let none = none.says("Det finns inget sådant konto.");
    assert_eq!(none.sheet(new).get("reason"), "Ny roll");
    let saved =
        approver.send(&none, new, &[("user_name", "user1")]).await.is(200).says("Person 1").says("Läs och skriv");
    let form = saved.link("Ändra utkastet").strip_suffix("/edit").expect("a form").to_owned();
    approver.send(&saved, &format!("{form}/submit"), &[("assured", "yes")]).await.is(200).says("Inskickad");
    assert_eq!(five.bed.store.grants(five.anna.id).await.expect("reads")[0].right, Right::Read, "at once");
    approver.open(&form).await.is(200).says("Du har redan skickat in eller beslutat");

    // Who may not write for others learns nothing by names.
    let page = anna.open(new).await.is(200);
    let mut answers = Vec::new();
    for name in ["user2", "user99"] {
        let page = anna.send(&page, new, &[&change[..], &[("user_name", name)]].concat()).await.is(403);
        answers.push(
            page.html
                .split("<div class=\"error\"")
                .nth(1)
                .and_then(|html| html.split("</div>").next())
                .map(str::to_owned),
        );
    }
    assert!(answers[0].is_some() && answers[0] == answers[1], "{answers:?}");

    let new = "/admin/forms/new/deregistration";
    let page = anna.open(new).await.is(200);
    let end = [("region", "12"), ("registry", "fotled"), ("reason", "Slutar")];
    let saved = anna.send(&page, new, &end).await.is(200);
    let form = saved.link("Ändra utkastet").strip_suffix("/edit").expect("a form").to_owned();
    let sheet = {
        let mut sheet = saved.sheet(&format!("{form}/submit"));
        sheet.fill("assured", "yes");
        sheet
    };
    // The account is closed at once, and its sessions with it: who submits is told so before.
    saved.says("är kontot ditt eget loggas du ut");
    anna.post(&sheet).await.is(200).says("Logga in");
}

#[tokio::test]
async fn lists_are_chosen_from_ordered_and_turned() {
    let five = Five::new().await;
    let anna = five.browser(&five.anna);
    for _ in 0..3 {
        anna.applied().await;
    }
    anna.submitted().await;
    let list = anna.open("/admin/forms").await.is(200).says("de som väntat längst först");
    assert_eq!(list.html.matches("<th scope=\"row\">").count(), 4);
    assert_eq!(list.html.matches("aria-sort=\"ascending\"").count(), 1);
    let turned = anna.open(&list.link("I läget sedan")).await.is(200).says("de som senast ändrats först");
    assert!(turned.html.contains("aria-sort=\"descending\""));
    let drafts =
        anna.open("/admin/forms?queue=&state=draft&kind=F1&region=12&registry=fotled&sort=newest").await.is(200);
    assert_eq!(drafts.html.matches("<th scope=\"row\">").count(), 3);
    let kept = anna.open(&drafts.link("Påbörjad")).await.is(200).says("de äldsta först");
    assert_eq!(kept.html.matches("<th scope=\"row\">").count(), 3, "what was chosen stays chosen");
    anna.open("/admin/forms?region=14").await.is(200).says("Inga blanketter stämmer");
    for wrong in ["state=gone", "cursor=x", "limit=0", "queue=waiting&queue=mine", "nothing=1"] {
        let page = anna.open(&format!("/admin/forms?{wrong}")).await.is(400).says("Ett val går inte att läsa.");
        assert_eq!(page.html.matches("<th scope=\"row\">").count(), 4);
    }
    let first = anna.open("/admin/forms?limit=3&sort=oldest").await.is(200);
    let second = anna.open(&first.link("Nästa sida")).await.is(200).says("Till första sidan");
    assert!(second.html.matches("<th scope=\"row\">").count() >= 1);
    let html = anna.open("/admin/forms").await.html;
    for said in ["Anna", "191212121212", "Barngatan"] {
        assert!(!html.contains(said), "{said}");
    }
    let own = anna.bed.own_end(&five.anna, clock::now()).await;
    anna.open(&format!("/admin/forms/{}", own.id)).await.is(200).says("Slutar");
}
