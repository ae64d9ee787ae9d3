import jakarta.persistence.Column;
import jakarta.persistence.Entity;
import jakarta.persistence.Id;
import jakarta.persistence.Table;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.hibernate.Session;
import org.hibernate.SessionFactory;
import org.hibernate.cfg.Configuration;
import org.hibernate.exception.ConstraintViolationException;

/** Hibernate: an entity with String attributes, HQL; the migration is SQL, as Flyway's. */
public final class Hibernate {
    @Entity(name = "Person")
    @Table(name = "person")
    public static class Person {
        @Id int id;
        @Column(nullable = false, unique = true) String email;
        @Column(nullable = false) String name;
        String note;
        String city;

        protected Person() {}

        Person(Steps.Row row) {
            id = row.id();
            email = row.email();
            name = row.name();
            note = row.note();
            city = row.city();
        }
    }

    private static SessionFactory factory;

    /** Rows of columns as one line, in a session of its own: nothing comes from the session's cache. */
    private static String query(String hql, Object... params) {
        return factory.fromSession(session -> rows(session, hql, params));
    }

    private static String rows(Session session, String hql, Object... params) {
        var query = session.createSelectionQuery(hql, Object[].class);
        for (int i = 0; i < params.length; i++) {
            query.setParameter(i + 1, params[i]);
        }
        return query.getResultList().stream().map(Steps::line).collect(Collectors.joining(" ; "));
    }

    private static int change(String hql, Object... params) {
        return factory.fromTransaction(session -> {
            var query = session.createMutationQuery(hql);
            for (int i = 0; i < params.length; i++) {
                query.setParameter(i + 1, params[i]);
            }
            return query.executeUpdate();
        });
    }

    private static void insert(Steps.Row... rows) {
        factory.inTransaction(session -> List.of(rows).forEach(row -> session.persist(new Person(row))));
    }

    public static void main(String[] args) {
        factory = new Configuration()
            .addAnnotatedClass(Person.class)
            .setProperty("hibernate.connection.url", Steps.url())
            .setProperty("hibernate.connection.username", System.getenv("PGUSER"))
            .setProperty("hibernate.connection.password", System.getenv("PGPASSWORD"))
            .setProperty("hibernate.jdbc.batch_size", "20")
            .buildSessionFactory();

        Steps.step("migration", () -> {
            factory.inTransaction(session ->
                Steps.migration().forEach(sql -> session.createNativeMutationQuery(sql).executeUpdate()));
            return query("select count(*) from Person");
        });
        Steps.step("insert with bind parameters", () -> {
            insert(Steps.ADA);
            return query("select id, email, name, note from Person where id = 1");
        });
        Steps.step("NULL and empty string", () -> {
            insert(Steps.NULL_NOTE, Steps.EMPTY_NOTE);
            return query("select id, note from Person where id in (2, 3) order by id");
        });
        Steps.step("IS NULL", () -> query("select id from Person where note is null"));
        Steps.step("equality with the empty string", () -> query("select id from Person where note = ?1", ""));
        Steps.step("non-ASCII text", () -> {
            insert(Steps.ZOE);
            Person zoe = factory.fromSession(session -> session.find(Person.class, 4));
            return Steps.line(zoe.id, zoe.email, zoe.name, zoe.note);
        });
        Steps.step("equality with non-ASCII text", () ->
            query("select id from Person where email = ?1 and note = ?2", Steps.ZOE.email(), Steps.ZOE.note()));
        Steps.step("bulk insert", () -> {
            insert(IntStream.rangeClosed(1, 100).mapToObj(Steps::bulk).toArray(Steps.Row[]::new));
            return query("select count(*) from Person where id > 100");
        });
        Steps.step("equality", () -> query("select id, name from Person where email = ?1", "user7@example.org"));
        Steps.step("equality without a match", () ->
            query("select count(*) from Person where email = ?1", "nobody@example.org"));
        Steps.step("IN list", () -> query("select id from Person where email in ?1 order by id", Steps.EMAILS));
        Steps.step("LIKE", () -> query("select count(*) from Person where name like ?1", "Name 09%"));
        Steps.step("ORDER BY", () -> query("select name from Person where id > 100 order by name desc limit 3"));
        Steps.step("aggregates", () ->
            query("select count(distinct name), min(name), max(name) from Person where id > 100"));
        Steps.step("text functions", () ->
            query("select upper(name), length(name) from Person where email = ?1", Steps.ADA.email()));
        Steps.step("unique", () -> {
            try {
                insert(new Steps.Row(5, Steps.ADA.email(), "Ada Lovelace", "first", "London"));
                return "no error";
            } catch (ConstraintViolationException error) {
                return error.getSQLState();
            }
        });
        Steps.step("upsert", () -> {
            change("insert into Person (id, email, name) values (5, ?1, ?2)"
                + " on conflict (email) do update set name = excluded.name", Steps.ADA.email(), Steps.ADA_KING.name());
            return query("select id, name from Person where email = ?1", Steps.ADA.email());
        });
        Steps.step("update", () ->
            change("update Person set note = ?1 where email = ?2", "changed", Steps.ADA.email())
                + "|" + query("select note from Person where id = 1"));
        Steps.step("rollback", () -> {
            String count = "select count(*) from Person where email = ?1";
            String inside = factory.fromSession(session -> {
                session.beginTransaction();
                session.persist(new Person(Steps.ROLLED_BACK));
                session.find(Person.class, 1).note = "rolled back";
                session.flush();
                String found = rows(session, count, Steps.ROLLED_BACK.email());
                session.getTransaction().rollback();
                return found;
            });
            return inside + ", then " + query(count, Steps.ROLLED_BACK.email());
        });
        Steps.step("commit", () -> {
            insert(Steps.COMMITTED);
            return query("select count(*) from Person where email = ?1 and note = ?2",
                Steps.COMMITTED.email(), Steps.COMMITTED.note());
        });
        Steps.step("delete", () ->
            change("delete from Person where email = ?1", "user100@example.org")
                + ", then " + query("select count(*) from Person where id = 200"));
        Steps.step("update of an entity", () -> {
            factory.inTransaction(session -> session.find(Person.class, 101).note = "entity");
            return query("select name, note from Person where id = 101");
        });
        Steps.step("lower, trim and concatenation", () ->
            query("select lower(name), trim(name), name || '!' from Person where id = 101"));
        Steps.step("an entity by its email", () ->
            factory.fromSession(session -> session.createSelectionQuery("from Person where email = ?1", Person.class)
                .setParameter(1, "user2@example.org").getSingleResult().name));
        factory.close();
    }

    private Hibernate() {}
}
