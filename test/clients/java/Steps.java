import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/** What the Java clients share. */
final class Steps {
    record Row(int id, String email, String name, String note, String city) {}

    interface Body {
        Object run() throws Exception;
    }

    static final Row ADA = new Row(1, "ada@example.org", "Ada Lovelace", "first", "London");
    static final Row NULL_NOTE = new Row(2, "null@example.org", "Nobody", null, null);
    static final Row EMPTY_NOTE = new Row(3, "empty@example.org", "Somebody", "", "");
    static final Row ZOE = new Row(4, "zoë@example.org", "Zoë Müller 😀", "Ωμέγα 日本語", "Köln");
    static final Row ADA_KING = new Row(5, "ada@example.org", "Ada King", null, null);
    static final Row ROLLED_BACK = new Row(900, "rollback@example.org", "Rolled back", null, null);
    static final Row COMMITTED = new Row(901, "commit@example.org", "Committed", "kept", null);
    static final List<String> EMAILS =
        List.of("user1@example.org", "user2@example.org", "user3@example.org", "nobody@example.org");

    static Row bulk(int i) {
        return new Row(100 + i, "user" + i + "@example.org", String.format("Name %03d", i), null, "bulk");
    }

    static List<String> migration() {
        String type = System.getenv("FC_TYPE");
        return List.of(
            "CREATE TABLE person (id integer PRIMARY KEY, email " + System.getenv("FC_TYPE_SEARCHABLE")
                + " NOT NULL UNIQUE, name " + type + " NOT NULL, city text)",
            "ALTER TABLE person ADD COLUMN note " + type);
    }

    static String url() {
        // a pooler in transaction mode cannot keep prepared statements
        return "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/"
            + System.getenv("PGDATABASE").replace(" ", "%20").replace(",", "%2C")
            + "?prepareThreshold=" + (System.getenv("FC_POOLER") == null ? 2 : 0);
    }

    /** Columns of a row as text. */
    static String line(Object... columns) {
        return Arrays.stream(columns).map(column -> column == null ? "<null>" : column.toString())
            .collect(Collectors.joining("|"));
    }

    /** Run a step; what it returns is its result. */
    static void step(String title, Body body) {
        Object result;
        try {
            result = body.run();
        } catch (Exception error) {
            error.printStackTrace();
            result = "ERROR " + String.valueOf(error.getMessage()).replace('\n', ' ');
        }
        System.out.println(title + ": " + result);
    }

    private Steps() {}
}
