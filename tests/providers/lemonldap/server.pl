# The portal of LemonLDAP::NG: `perl server.pl` serves it until it is terminated.
#
# PROVIDER_PORT, PROVIDER_ACCOUNTS (JSON) and LLNG_DEFAULTCONFFILE (path of lemonldap-ng.ini) say how.

use strict;
use warnings;

use HTTP::Server::PSGI;
use IO::Socket::INET;
use JSON;
use Lemonldap::NG::Portal::Main;
use Lemonldap::NG::Portal::UserDB::Demo;
use Plack::App::File;
use Plack::App::URLMap;

# It calls bodhi during a logout, and bodhi asks it for its keys meanwhile.
use constant WORKERS => 4;

# The people of its demonstration mode, in which a password is the user name.
my %people = map {
    $_->{username} => {
        uid       => $_->{username},
        cn        => "$_->{given_name} $_->{family_name}",
        givenName => $_->{given_name},
        sn        => $_->{family_name},
        mail      => $_->{email},
    }
} @{ decode_json( $ENV{PROVIDER_ACCOUNTS} ) };
%Lemonldap::NG::Portal::UserDB::Demo::demoAccounts = %people;

my $site = Plack::App::URLMap->new;
$site->map( '/static' => Plack::App::File->new( root => '/usr/share/lemonldap-ng/portal/htdocs/static' )->to_app );
$site->map( '/javascript' => Plack::App::File->new( root => '/usr/share/javascript' )->to_app );
$site->map( '/' => Lemonldap::NG::Portal::Main->run( {} ) );

my $listener = IO::Socket::INET->new(
    LocalAddr => '127.0.0.1',
    LocalPort => $ENV{PROVIDER_PORT},
    Listen    => 64,
    ReuseAddr => 1,
) or die "cannot listen: $!";
my @workers = map { start_worker() } 1 .. WORKERS;
local $SIG{TERM} = sub { kill TERM => @workers };
waitpid $_, 0 for @workers;

sub start_worker {
    my $pid = fork // die "cannot fork: $!";
    return $pid if $pid;
    HTTP::Server::PSGI->new( listen_sock => $listener )->run( $site->to_app );
    exit;
}
