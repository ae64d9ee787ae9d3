import java.io.StringReader;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.util.ArrayList;
import java.util.List;
import org.postgresql.PGConnection;

/** The JDBC driver: it sends strings as varchar. */
public final class Jdbc {
    private static final String INSERT = "INSERT INTO person (id, email, name, note, city) VALUES (?, ?, ?, ?, ?)";
    private static Connection connection;

    private static void bind(PreparedStatement statement, Steps.Row row) throws SQLException {
        statement.setInt(1, row.id());
        statement.setString(2, row.email());
        statement.setString(3, row.name());
        if (row.note() == null) {
            statement.setNull(4, Types.VARCHAR);
        } else {
            statement.setString(4, row.note());
        }
        statement.setString(5, row.city());
    }

    private static int insert(Steps.Row row) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(INSERT)) {
            bind(statement, row);
            return statement.executeUpdate();
        }
    }

    private static int change(String sql, String... params) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int i = 0; i < params.length; i++) {
                statement.setString(i + 1, params[i]);
            }
            return statement.executeUpdate();
        }
    }

    private static String rows(PreparedStatement statement) throws SQLException {
        List<String> lines = new ArrayList<>();
        try (ResultSet result = statement.executeQuery()) {
            while (result.next()) {
                Object[] columns = new Object[result.getMetaData().getColumnCount()];
                for (int i = 0; i < columns.length; i++) {
                    columns[i] = result.getString(i + 1);
                }
                lines.add(Steps.line(columns));
            }
        }
        return String.join(" ; ", lines);
    }

    private static String query(String sql, String... params) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int i = 0; i < params.length; i++) {
                statement.setString(i + 1, params[i]);
            }
            return rows(statement);
        }
    }

    private static String count(String condition, String... params) throws SQLException {
        return query("SELECT count(*) FROM person WHERE " + condition, params);
    }

    public static void main(String[] args) throws SQLException {
        connection = DriverManager.getConnection(Steps.url(), System.getenv("PGUSER"), System.getenv("PGPASSWORD"));
        Steps.step("migration", () -> {
            for (String statement : Steps.migration()) {
                change(statement);
            }
            return count("true");
        });
        Steps.step("insert with bind parameters", () -> {
            try (PreparedStatement statement = connection.prepareStatement(INSERT + " RETURNING id, email, name, note")) {
                bind(statement, Steps.ADA);
                return rows(statement);
            }
        });
        Steps.step("NULL and empty string", () -> {
            insert(Steps.NULL_NOTE);
            insert(Steps.EMPTY_NOTE);
            return query("SELECT id, note FROM person WHERE id IN (2, 3) ORDER BY id");
        });
        Steps.step("IS NULL", () -> query("SELECT id FROM person WHERE note IS NULL"));
        Steps.step("equality with the empty string", () -> query("SELECT id FROM person WHERE note = ?", ""));
        Steps.step("non-ASCII text", () -> {
            insert(Steps.ZOE);
            return query("SELECT id, email, name, note FROM person WHERE id = 4");
        });
        Steps.step("equality with non-ASCII text", () ->
            query("SELECT id FROM person WHERE email = ? AND note = ?", Steps.ZOE.email(), Steps.ZOE.note()));
        Steps.step("bulk insert", () -> {
            try (PreparedStatement statement = connection.prepareStatement(INSERT)) {
                for (int i = 1; i <= 100; i++) {
                    bind(statement, Steps.bulk(i));
                    statement.addBatch();
                }
                statement.executeBatch();
            }
            return count("id > 100");
        });
        Steps.step("equality", () -> {
            try (PreparedStatement statement = connection.prepareStatement("SELECT id, name FROM person WHERE email = ?")) {
                String found = null;
                for (int i = 0; i < 7; i++) {
                    statement.setString(1, "user7@example.org");
                    found = rows(statement);
                }
                return found;
            }
        });
        Steps.step("equality without a match", () -> count("email = ?", "nobody@example.org"));
        Steps.step("IN list", () -> {
            String list = query("SELECT id FROM person WHERE email IN (?, ?, ?, ?) ORDER BY id",
                Steps.EMAILS.toArray(new String[0]));
            try (PreparedStatement statement =
                    connection.prepareStatement("SELECT id FROM person WHERE email = ANY (?) ORDER BY id")) {
                statement.setArray(1, connection.createArrayOf("varchar", Steps.EMAILS.toArray()));
                String any = rows(statement);
                return any.equals(list) ? list : list + ", but with ANY " + any;
            }
        });
        Steps.step("LIKE", () -> count("name LIKE ?", "Name 09%"));
        Steps.step("ORDER BY", () -> query("SELECT name FROM person WHERE id > 100 ORDER BY name DESC LIMIT 3"));
        Steps.step("aggregates", () ->
            query("SELECT count(DISTINCT name), min(name), max(name) FROM person WHERE id > 100"));
        Steps.step("text functions", () ->
            query("SELECT upper(name), length(name) FROM person WHERE email = ?", Steps.ADA.email()));
        Steps.step("unique", () -> {
            try {
                return insert(new Steps.Row(5, Steps.ADA.email(), "Ada Lovelace", "first", "London"));
            } catch (SQLException error) {
                return error.getSQLState();
            }
        });
        Steps.step("upsert", () -> {
            try (PreparedStatement statement = connection.prepareStatement(
                    INSERT + " ON CONFLICT (email) DO UPDATE SET name = EXCLUDED.name")) {
                bind(statement, Steps.ADA_KING);
                statement.executeUpdate();
            }
            return query("SELECT id, name FROM person WHERE email = ?", Steps.ADA.email());
        });
        Steps.step("update", () ->
            change("UPDATE person SET note = ? WHERE email = ?", "changed", Steps.ADA.email())
                + "|" + query("SELECT note FROM person WHERE id = 1"));
        Steps.step("rollback", () -> {
            String email = Steps.ROLLED_BACK.email();
            connection.setAutoCommit(false);
            insert(Steps.ROLLED_BACK);
            change("UPDATE person SET note = ? WHERE id = 1", "rolled back");
            String inside = count("email = ?", email);
            connection.rollback();
            connection.setAutoCommit(true);
            return inside + ", then " + count("email = ?", email);
        });
        Steps.step("commit", () -> {
            connection.setAutoCommit(false);
            insert(Steps.COMMITTED);
            connection.commit();
            connection.setAutoCommit(true);
            return count("email = ? AND note = ?", Steps.COMMITTED.email(), Steps.COMMITTED.note());
        });
        Steps.step("delete", () ->
            change("DELETE FROM person WHERE email = ?", "user100@example.org") + ", then " + count("id = 200"));
        Steps.step("updatable result set", () -> {
            try (PreparedStatement statement = connection.prepareStatement(
                    "SELECT id, name, note FROM person WHERE id = 101",
                    ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE);
                    ResultSet result = statement.executeQuery()) {
                result.next();
                result.updateString("note", "through the result set");
                result.updateRow();
            }
            return query("SELECT note FROM person WHERE id = 101");
        });
        Steps.step("COPY in", () -> {
            long rows = connection.unwrap(PGConnection.class).getCopyAPI()
                .copyIn("COPY person (id, email, name) FROM STDIN", new StringReader("300\tcopy300@example.org\tGröße\n"));
            return rows + "|" + query("SELECT name FROM person WHERE id = 300");
        });
        Steps.step("type of the column", () -> {
            try (PreparedStatement statement = connection.prepareStatement("SELECT name FROM person WHERE email = ?");
                    ResultSet columns = connection.getMetaData().getColumns(null, null, "person", "city")) {
                columns.next();
                return statement.getMetaData().getColumnTypeName(1) + ", "
                    + statement.getMetaData().getColumnClassName(1) + ", parameter "
                    + statement.getParameterMetaData().getParameterTypeName(1) + ", city " + columns.getString("TYPE_NAME");
            }
        });
        connection.close();
    }

    private Jdbc() {}
}
