// SPDX-License-Identifier: Apache-2.0
import java.io.StringReader;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import org.postgresql.PGConnection;

/** JDBC: statements that become prepared at their fifth use, batches, cursors by fetch size, COPY, errors. */
public class Client {
    public static void main(String[] arguments) throws Exception {
        try (Connection connection = DriverManager.getConnection(arguments[0])) {
            try (PreparedStatement insert = connection.prepareStatement("INSERT INTO items VALUES (?, ?)")) {
                for (int i = 0; i < 50; i++) {
                    insert.setInt(1, i);
                    insert.setString(2, "x");
                    insert.executeUpdate();
                }
                for (int i = 100; i < 400; i++) {
                    insert.setInt(1, i);
                    insert.setString(2, "batch");
                    insert.addBatch();
                }
                insert.executeBatch();
            }
            try (Statement statement = connection.createStatement()) {
                statement.execute("SELECT 1; SELECT 2");
                try {
                    statement.executeQuery("SELECT * FROM nowhere");
                } catch (SQLException expected) {
                    assert expected.getSQLState().equals("42P01");
                }
            }
            connection.setAutoCommit(false);
            int rows = 0;
            try (PreparedStatement select = connection.prepareStatement("SELECT * FROM items")) {
                select.setFetchSize(50);
                try (ResultSet result = select.executeQuery()) {
                    while (result.next())
                        rows++;
                }
            }
            if (rows != 350)
                throw new IllegalStateException("rows: " + rows);
            connection.unwrap(PGConnection.class).getCopyAPI()
                .copyIn("COPY items FROM STDIN", new StringReader("1000\ta\n1001\tb\n"));
            connection.commit();
        }
    }
}
