
=pod

=head1 NAME

Wire - a client that speaks PostgreSQL's protocol, and nothing else

=head1 DESCRIPTION

libpq hides what drivers of other languages look at: the types by which the
server describes parameters and columns, and the format of values.

=cut

package Wire;

use strict;
use warnings FATAL => 'all';

use IO::Socket::UNIX;

=pod

=head2 Methods

=over

=item Wire->connect($node, $role)

=cut

sub connect
{
	my ($class, $node, $role) = @_;
	my $path = $node->host . '/.s.PGSQL.' . $node->port;
	my $socket = IO::Socket::UNIX->new(Peer => $path) or die "$path: $!";
	my $self = bless { socket => $socket, parameters => {} }, $class;
	my $start = pack('N', 196608)
	  . join('', map { "$_\0" } 'user', $role, 'database', 'postgres', '');

	print $socket pack('N', 4 + length($start)) . $start;
	$socket->flush;
	$self->answer;
	return $self;
}

sub send_messages
{
	my ($self, @messages) = @_;
	my $socket = $self->{socket};

	while (my ($type, $body) = splice(@messages, 0, 2))
	{
		print $socket $type . pack('N', 4 + length($body)) . $body;
	}
	$socket->flush;
	return;
}

sub receive
{
	my ($self) = @_;
	my ($head, $body) = ('', '');

	read($self->{socket}, $head, 5) == 5 or die 'connection lost';
	my ($type, $len) = unpack('a N', $head);
	$len == 4
	  || read($self->{socket}, $body, $len - 4) == $len - 4
	  || die 'connection lost';
	return ($type, $body);
}

# Everything up to ReadyForQuery, as a hash: params and columns (type OIDs, in
# the order of the last description), names, rows (arrays of bytes), error
# (SQLSTATE), message.
sub answer
{
	my ($self) = @_;
	my %seen = (rows => []);

	while (1)
	{
		my ($type, $body) = $self->receive;

		if ($type eq 'Z') { return \%seen; }
		elsif ($type eq 't') { $seen{params} = [ unpack('x2 N*', $body) ]; }
		elsif ($type eq 'T')
		{
			my (undef, @fields) = unpack('n (Z* N n N n N n)*', $body);

			$seen{columns} = [];
			$seen{names} = [];
			while (my @field = splice(@fields, 0, 7))
			{
				push @{ $seen{names} }, $field[0];
				push @{ $seen{columns} }, $field[3];
			}
		}
		elsif ($type eq 'D')
		{
			my $count = unpack('n', $body);
			my $at = 2;
			my @row;

			foreach (1 .. $count)
			{
				my $len = unpack('l>', substr($body, $at, 4));

				push @row, $len < 0 ? undef : substr($body, $at + 4, $len);
				$at += 4 + ($len < 0 ? 0 : $len);
			}
			push @{ $seen{rows} }, \@row;
		}
		elsif ($type eq 'E')
		{
			($seen{error}) = $body =~ /(?:^|\0)C([0-9A-Z]{5})\0/;
			($seen{message}) = $body =~ /(?:^|\0)M([^\0]*)\0/;
		}
		elsif ($type eq 'S')
		{
			my ($name, $value) = split /\0/, $body;

			$self->{parameters}{$name} = $value;
		}
	}
}

=pod

=item $wire->simple($sql)

One Query message.

=item $wire->prepare($name, $sql, @types)

Parse, Describe, Sync; parameters without a type are left undeclared.

=item $wire->run($name, $format, @values)

Bind, Describe, Execute, Sync; format 0 (text) or 1 (binary) for values in
both directions.

=back

=cut

sub simple
{
	my ($self, $sql) = @_;

	$self->send_messages('Q', "$sql\0");
	return $self->answer;
}

sub prepare
{
	my ($self, $name, $sql, @types) = @_;

	$self->send_messages(
		'P', "$name\0$sql\0" . pack('n N*', scalar(@types), @types),
		'D', "S$name\0", 'S', '');
	return $self->answer;
}

sub run
{
	my ($self, $name, $format, @values) = @_;
	my $bind = "\0$name\0" . pack('n n n', 1, $format, scalar(@values));

	$bind .= defined $_ ? pack('N a*', length($_), $_) : pack('l>', -1)
	  foreach @values;
	$bind .= pack('n n', 1, $format);
	$self->send_messages('B', $bind, 'D', "P\0", 'E', "\0" . pack('N', 0),
		'S', '');
	return $self->answer;
}

sub close
{
	my ($self) = @_;

	$self->send_messages('X', '');
	$self->{socket}->close;
	return;
}

1;
